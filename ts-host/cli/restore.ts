/** criu-wasm restore: brings a process back from its checkpoint. */
import { writeFileSync } from "node:fs";
import { Command, Option } from "commander";
import { restore as restoreTask } from "../engine/restore.ts";
import { openCheckpoint } from "../images/open.ts";
import { WNOHANG } from "../kernel/abi/wait.ts";
import { KINDS } from "../kinds/index.ts";
import { tryCall } from "../native/calls.ts";
import { loadShim } from "../native/ffi.ts";
import { LOG_INFO, LOG_WARNING } from "./log.ts";
import {
  type CommonOptions,
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
import { run } from "./run.ts";

interface Options extends CommonOptions {
  restoreDetached?: boolean;
  restoreSibling?: boolean;
  leaveStopped?: boolean;
  shellJob?: boolean;
  pidfile?: string;
}

const POLL_MS = 20;

/** Waits for the restored task, which is a child of this process, to end. */
async function untilExit(pid: number): Promise<void> {
  const status = Buffer.alloc(64);
  while (tryCall("wait4", pid, status, WNOHANG, 0) === 0n) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function action(options: Options): Promise<void> {
  const log = openLog(options);
  const result = run("restore", options, log, () => {
    loadShim();
    const reader = openCheckpoint(options.imagesDir);
    const began = performance.now();
    const pid = restoreTask(
      reader,
      KINDS,
      {
        shellJob: options.shellJob ?? false,
        leaveStopped: options.leaveStopped ?? false,
        sibling: options.restoreSibling ?? false,
      },
      (message) => log.write(LOG_WARNING, message),
    );
    reader.close();
    const restoreTime = Math.round((performance.now() - began) * 1000);
    if (options.pidfile !== undefined) writeFileSync(inWorkDir(options, options.pidfile), `${pid}`);
    log.write(LOG_INFO, `restored pid ${pid} in ${restoreTime} us`);
    return { pid, restoreTime };
  });
  if (result && !options.restoreDetached && !options.restoreSibling) await untilExit(result.pid);
}

export const restore = new Command("restore")
  .description("bring a process back from its checkpoint")
  .addOption(imagesDir())
  .addOption(workDir())
  .option("-d, --restore-detached", "return when the process runs; else wait until it ends")
  .option("-S, --restore-sibling", "make the process a sibling of this one, not a child")
  .option("-s, --leave-stopped", "leave the process stopped (SIGCONT continues it)")
  .addOption(shellJob())
  .addOption(pidFile())
  .addOption(logFile())
  .addOption(verbosityOption())
  .addOption(json())
  .addOption(noDefaultConfig())
  .addOption(new Option("--link-remap", "concerns dump only, accepted for CRIU's sake").hideHelp())
  .action(action);
