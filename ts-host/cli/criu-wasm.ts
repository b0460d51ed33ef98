/** The command. */
import { main } from "./main.ts";
import { processTerminal } from "./terminal.ts";

main(process.argv.slice(2), processTerminal()).then((status) => {
  process.exitCode = status;
});
