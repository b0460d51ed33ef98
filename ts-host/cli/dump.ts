/** criu-wasm dump: freezes a process and writes its checkpoint. */
import { writeFileSync } from "node:fs";
import { Command, Option } from "commander";
import { dump as dumpTask } from "../engine/dump.ts";
import { createCheckpoint } from "../images/open.ts";
import { KINDS } from "../kinds/index.ts";
import { loadShim } from "../native/ffi.ts";
import { LOG_INFO, LOG_WARNING } from "./log.ts";
import {
  type CommonOptions,
  defaultFormat,
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
import { run } from "./run.ts";

interface Options extends CommonOptions {
  tree: number;
  format: "native" | "criu";
  leaveRunning?: boolean;
  leaveStopped?: boolean;
  shellJob?: boolean;
  ghostLimit: bigint;
  linkRemap?: boolean;
  timeout: number;
  pidfile?: string;
}

function action(options: Options): void {
  const log = openLog(options);
  run("dump", options, log, () => {
    loadShim();
    const writer = createCheckpoint(options.imagesDir, options.format);
    const report = dumpTask(
      options.tree,
      writer,
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
    if (options.pidfile !== undefined) writeFileSync(inWorkDir(options, options.pidfile), `${options.tree}`);
    log.write(
      LOG_INFO,
      `dumped pid ${options.tree}: ${report.pagesWritten} pages, frozen ${report.frozenTime} us`,
    );
    return { pid: options.tree, ...report };
  });
}

export const dump = new Command("dump")
  .description("freeze a process, write its checkpoint, and end it unless told otherwise")
  .requiredOption("-t, --tree <pid>", "the process to dump", positiveInteger)
  .addOption(imagesDir())
  .addOption(workDir())
  .addOption(
    new Option("--format <format>", "of the checkpoint").choices(["native", "criu"]).default(defaultFormat()),
  )
  .addOption(new Option("-R, --leave-running", "let the process run on afterwards").conflicts("leaveStopped"))
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
    new Option(
      "--ghost-fiemap",
      "how CRIU finds holes, accepted for its sake: ours are found either way",
    ).hideHelp(),
  )
  .addOption(new Option("--no-ghost-fiemap").hideHelp())
  .addOption(
    new Option("--pre-dump-mode <mode>", "concerns pre-dump only, accepted for CRIU's sake")
      .choices(["splice", "read"])
      .hideHelp(),
  )
  .action(action);
