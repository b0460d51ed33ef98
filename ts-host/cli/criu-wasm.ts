/** The command. */
import { main } from "./main.ts";
import { processTerminal } from "./terminal.ts";

main(process.argv.slice(2), processTerminal()).then((status) => {
  process.exitCode = status;
  // All is written, but on Windows, where pipes take their time: no need to wait until Node has tidied up.
  if (process.platform !== "win32") process.exit();
});
