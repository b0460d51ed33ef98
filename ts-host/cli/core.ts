/** criu-wasm core: a process of a checkpoint as a core file, for debuggers. */
import type { Command } from "commander";
import { OutputFile } from "../images/files.ts";
import { writeCore } from "../offline/core/index.ts";
import { type Manual, newCommand } from "./command.ts";
import { openInput, readsCheckpoint } from "./input.ts";
import { json, positiveInteger } from "./options.ts";
import { inNewFile } from "./output.ts";
import { runSteps } from "./progress.ts";
import { machineJson, type Terminal } from "./terminal.ts";
import { bytes, counted } from "./units.ts";

interface Options {
  imagesDir: string;
  pid?: number;
  out: string;
  json?: boolean;
}

async function core(options: Options, terminal: Terminal): Promise<void> {
  const checkpoint = await openInput(options.imagesDir, terminal);
  const process = options.pid === undefined ? checkpoint.root : checkpoint.process(options.pid);
  await inNewFile(options.out, async (growing) => {
    const file = new OutputFile(growing);
    try {
      const summary = await runSteps(`core of ${process.pid}`, writeCore(process, file), terminal);
      const result = { pid: process.pid, executable: process.executable, file: options.out, ...summary };
      const line = `${options.out}: ${counted(summary.threads, "thread")}, ${bytes(summary.bytes)} of memory\n`;
      await terminal.print(options.json ? machineJson(result) : line);
    } finally {
      file.close();
    }
  });
  checkpoint.close();
}

const MANUAL: Manual = {
  name: "core",
  synopsis: "-o FILE [-p PID] [PATH] [--json]",
  description: [
    "Writes the memory, the threads and their registers of a process as an ELF core file, as the kernel does when a program crashes, for gdb and lldb. Images of x86-64 and aarch64 are understood, on any system.",
    "Pages of mapped files that the process has not changed are not in the images: debuggers read them from the files. Memory that was never written to is zeros, and left out where it is longer than 64 MiB.",
  ],
  examples: [
    ["criu-wasm core -D images -p 812 -o core.812", "Process 812 as a core file."],
    ["gdb /usr/bin/program core.812", "Threads, backtraces and memory at the moment of the dump."],
  ],
};

export function coreCommand(terminal: Terminal): Command {
  return readsCheckpoint(newCommand(MANUAL))
    .option("-p, --pid <pid>", "the process (default: the root of the tree)", positiveInteger)
    .requiredOption("-o, --out <file>", "the core file")
    .addOption(json())
    .action((_path, options: Options) => core(options, terminal));
}
