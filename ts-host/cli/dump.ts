/** criu-wasm dump: freezes a process and writes its checkpoint. */
import { mkdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { type Command, Option } from "commander";
import { dump as dumpTask } from "../engine/dump.ts";
import { createCheckpoint } from "../images/create.ts";
import { fileCall } from "../images/files.ts";
import { KINDS } from "../kinds/index.ts";
import { loadShim } from "../native/ffi.ts";
import { PAGE_SIZE } from "../wasm/pages.ts";
import { type Manual, newCommand } from "./command.ts";
import { type CompressOptions, compressMethod, compressRegion } from "./compress-options.ts";
import { LOG_INFO, LOG_WARNING, type Log } from "./log.ts";
import { logged } from "./logged.ts";
import {
  type CommonOptions,
  defaultFormat,
  forAnotherVerb,
  imagesDir,
  inWorkDir,
  json,
  logFile,
  noDefaultConfig,
  openLog,
  pidFile,
  positiveInteger,
  shellJob,
  size,
  verbosityOption,
  workDir,
} from "./options.ts";
import { withPidFile } from "./pid-file.ts";
import { machineJson, type Terminal } from "./terminal.ts";
import { type Step, stepwise, watchedWriter } from "./watched.ts";

interface Options extends CommonOptions, CompressOptions {
  tree: number;
  format: "native" | "criu";
  leaveRunning?: boolean;
  leaveStopped?: boolean;
  shellJob?: boolean;
  ghostLimit: bigint;
  linkRemap?: boolean;
  timeout: number;
  pidfile?: string;
  store?: string;
}

/** A log or pid file may lie in the directory that is about to be made. */
function makeImagesDir({ imagesDir, logFile, pidfile }: Options): void {
  if (logFile === undefined && pidfile === undefined) return;
  fileCall("mkdir", imagesDir, () => mkdirSync(imagesDir, { recursive: true }));
}

/** Another thread takes as long to begin as 64 MiB take to be compressed. */
const MUCH_MEMORY = 64 << 20;

/** Threads that a dump of the process is worth. */
function threadsFor(pid: number): number {
  let resident = 0;
  try {
    resident = Number(readFileSync(`/proc/${pid}/statm`, "latin1").split(" ")[1]) * PAGE_SIZE;
  } catch {
    // There is no such process: the dump will say so.
  }
  return resident < MUCH_MEMORY ? 1 : Math.min(availableParallelism(), 4);
}

function dumpTo(options: Options, step: Step, log: Log) {
  const writer = createCheckpoint(options.imagesDir, options.format, {
    compress: options.compress,
    regionPages: options.compressRegion,
    store: options.store,
    threads: threadsFor(options.tree),
  });
  const report = dumpTask(
    options.tree,
    watchedWriter(writer, step),
    KINDS,
    {
      leaveRunning: options.leaveRunning ?? false,
      leaveStopped: options.leaveStopped ?? false,
      shellJob: options.shellJob ?? false,
      ghostLimit: options.ghostLimit,
      linkRemap: options.linkRemap ?? false,
      timeoutUs: options.timeout * 1e6,
    },
    (message) => log.write(LOG_WARNING, message),
  );
  log.write(
    LOG_INFO,
    `dumped pid ${options.tree}: ${report.pagesWritten} pages, frozen ${report.frozenTime} us`,
  );
  const cgroups = report.cgroups.map(({ controllers, path }) => ({ controllers, path: path.toString() }));
  const places = cgroups.map(({ controllers, path }) => [...controllers, path].join(" "));
  log.write(LOG_INFO, `its cgroups are left to the caller: ${places.join(", ")}`);
  return { pid: options.tree, ...report, cgroups };
}

async function dump(options: Options, terminal: Terminal): Promise<void> {
  makeImagesDir(options);
  const log = openLog(options);
  const result = await logged("dump", log, () => {
    loadShim();
    return withPidFile(inWorkDir(options, options.pidfile), () =>
      stepwise("dump", terminal, (step) => dumpTo(options, step, log)),
    );
  });
  if (options.json) await terminal.print(machineJson(result));
}

const MANUAL: Manual = {
  name: "dump",
  synopsis: "-t PID [-D DIR] [options]",
  description: [
    "Stops the process and all its threads, writes what they are made of into the directory, and then ends the process, or leaves it running or stopped where this is asked for.",
    "What cannot be dumped is refused before anything is changed. When a dump fails or is broken off, the process runs on and the directory has no checkpoint.",
  ],
  examples: [
    ["criu-wasm dump -t 812 -D images", "Process 812 goes to the directory images."],
    ["criu-wasm dump -t 812 -D images -R", "The same, and it runs on."],
    [
      "criu-wasm dump -t 812 -D images --shell-job --format criu",
      "A job of a shell, in the format that CRIU itself restores.",
    ],
  ],
};

export function dumpCommand(terminal: Terminal): Command {
  const command = newCommand(MANUAL)
    .requiredOption("-t, --tree <pid>", "the process to dump", positiveInteger)
    .addOption(imagesDir())
    .addOption(workDir())
    .addOption(
      new Option("--format <format>", "native or criu: the format of the checkpoint")
        .choices(["native", "criu"])
        .default(defaultFormat()),
    )
    .addOption(
      new Option(
        "--store <dir>",
        "put the pages into a store that checkpoints share; it begins in a directory that is not there",
      ),
    )
    .addOption(compressMethod())
    .addOption(compressRegion())
    .addOption(
      new Option("-R, --leave-running", "let the process run on afterwards").conflicts("leaveStopped"),
    )
    .option("-s, --leave-stopped", "leave the process stopped afterwards (SIGCONT continues it)")
    .addOption(shellJob())
    .addOption(
      new Option("--ghost-limit <size>", "largest unlinked file to put into the checkpoint")
        .argParser(size)
        .default(1n << 20n, "1M"),
    )
    .option("--link-remap", "give files whose old name is gone one more name, which the restore removes")
    .addOption(
      new Option("--timeout <seconds>", "longest that freezing may take")
        .argParser(positiveInteger)
        .default(10),
    )
    .addOption(pidFile())
    .addOption(logFile())
    .addOption(verbosityOption())
    .addOption(json())
    .addOption(noDefaultConfig())
    .addOption(
      new Option("--pre-dump-mode <mode>", "concerns pre-dump only").choices(["splice", "read"]).hideHelp(),
    )
    .addOption(new Option("--ghost-fiemap", "concerns how CRIU looks for holes in files").hideHelp())
    .action((options: Options) => dump(options, terminal));
  return forAnotherVerb(command, "-d, --restore-detached", "-S, --restore-sibling");
}
