/** Runs the command and ends this process. */
import { main } from "./main.ts";
import { processTerminal } from "./terminal.ts";
import type { Verbs } from "./verb.ts";

/** The launcher's: what V8 has compiled so far is what a whole run needs. */
declare const keepCompiled: () => void;

export async function run(verbs: Partial<Verbs>): Promise<void> {
  const { status, isComplete } = await main(process.argv.slice(2), verbs, processTerminal());
  process.exitCode = status;
  if (isComplete) keepCompiled();
  // All is written, but on Windows, where pipes take their time: no need to wait until Node has tidied up.
  if (process.platform !== "win32") process.exit();
}
