/** Runs the command and ends this process. */
import { main } from "./main.ts";
import { processTerminal } from "./terminal.ts";
import type { Verbs } from "./verb.ts";

export async function run(verbs: Partial<Verbs>): Promise<void> {
  process.exitCode = await main(process.argv.slice(2), verbs, processTerminal());
  // All is written, but on Windows, where pipes take their time: no need to wait until Node has tidied up.
  if (process.platform !== "win32") process.exit();
}
