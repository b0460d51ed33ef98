/** criu-wasm restore: brings a process back from its checkpoint. */
import type { Command } from "commander";
import { restore as restoreTask } from "../engine/restore.ts";
import { openCheckpoint } from "../images/open.ts";
import { WNOHANG } from "../kernel/abi/wait.ts";
import { now } from "../kernel/clock.ts";
import { KINDS } from "../kinds/index.ts";
import { tryCall } from "../native/calls.ts";
import { loadShim } from "../native/ffi.ts";
import { type Manual, newCommand } from "./command.ts";
import { LOG_INFO, LOG_WARNING, type Log } from "./log.ts";
import { logged } from "./logged.ts";
import {
  type CommonOptions,
  forAnotherVerb,
  imagesDir,
  inWorkDir,
  json,
  logFile,
  noDefaultConfig,
  openLog,
  pidFile,
  shellJob,
  verbosityOption,
  workDir,
} from "./options.ts";
import { withPidFile } from "./pid-file.ts";
import { machineJson, type Terminal } from "./terminal.ts";
import { type Step, stepwise, watchedReader } from "./watched.ts";

interface Options extends CommonOptions {
  restoreDetached?: boolean;
  restoreSibling?: boolean;
  leaveStopped?: boolean;
  shellJob?: boolean;
  fewerPrivileges?: boolean;
  pidfile?: string;
  store?: string;
}

const POLL_MS = 20;

/** Waits for the restored task, which is a child of this process, to end. */
async function untilExit(pid: number): Promise<void> {
  const status = Buffer.alloc(64);
  while (tryCall("wait4", pid, status, WNOHANG, 0) === 0n) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function restoreFrom(options: Options, step: Step, log: Log) {
  const began = now();
  const reader = openCheckpoint(options.imagesDir, options.store);
  try {
    const pid = restoreTask(
      watchedReader(reader, step),
      KINDS,
      {
        shellJob: options.shellJob ?? false,
        leaveStopped: options.leaveStopped ?? false,
        sibling: options.restoreSibling ?? false,
        fewerPrivileges: options.fewerPrivileges ?? false,
      },
      (message) => log.write(LOG_WARNING, message),
    );
    const restoreTime = Math.round((now() - began) * 1000);
    log.write(LOG_INFO, `restored pid ${pid} in ${restoreTime} us`);
    return { pid, restoreTime };
  } finally {
    reader.close();
  }
}

async function restore(options: Options, terminal: Terminal): Promise<void> {
  const log = openLog(options);
  const result = await logged("restore", log, () => {
    loadShim();
    return withPidFile(inWorkDir(options, options.pidfile), () =>
      stepwise("restore", terminal, (step) => restoreFrom(options, step, log)),
    );
  });
  if (options.json) await terminal.print(machineJson(result));
  if (!options.restoreDetached && !options.restoreSibling) await untilExit(result.pid);
}

const MANUAL: Manual = {
  name: "restore",
  synopsis: "[-D DIR] [options]",
  description: [
    "Brings the process of a checkpoint back under its old pid, with its memory, threads and files, and lets it run on where it was. The format of the checkpoint is found out.",
    "What is missing or has changed on this machine is said before anything is made. When a restore fails or is broken off, no process is left behind.",
  ],
  examples: [
    ["criu-wasm restore -D images -d", "The process runs again, and the command returns."],
    ["criu-wasm restore -D images", "The same, and the command returns when the process has ended."],
  ],
};

export function restoreCommand(terminal: Terminal): Command {
  const command = newCommand(MANUAL)
    .addOption(imagesDir())
    .addOption(workDir())
    .option("-d, --restore-detached", "return when the process runs; else wait until it ends")
    .option("-S, --restore-sibling", "make the process a sibling of this one, not a child")
    .option("-s, --leave-stopped", "leave the process stopped (SIGCONT continues it)")
    .addOption(shellJob())
    .option("--store <dir>", "where the checkpoint's page store is, if it has moved")
    .option(
      "--fewer-privileges",
      "go on, with a warning, where the process had higher limits or more capabilities than can be given back",
    )
    .addOption(pidFile())
    .addOption(logFile())
    .addOption(verbosityOption())
    .addOption(json())
    .addOption(noDefaultConfig())
    .action((options: Options) => restore(options, terminal));
  return forAnotherVerb(
    command,
    "-t, --tree <pid>",
    "-R, --leave-running",
    "--ghost-limit <size>",
    "--ghost-fiemap",
    "--link-remap",
    "--timeout <seconds>",
    "--pre-dump-mode <mode>",
  );
}
