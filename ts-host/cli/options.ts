/** Options that verbs share, with CRIU's names and short forms. */
import { basename, isAbsolute, resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { Log } from "./log.ts";

/** What the options that dump, restore and check share parse into. */
export interface CommonOptions {
  imagesDir: string;
  workDir?: string;
  logFile?: string;
  verbosity: number;
  json?: boolean;
}

export function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value <= 0)
    throw new InvalidArgumentError("must be a positive number.");
  return value;
}

/** A size in bytes, with K, M or G as in "64M". */
export function size(text: string): bigint {
  const match = /^(\d+)([KMG]?)$/i.exec(text);
  if (!match) throw new InvalidArgumentError("must be a size such as 4096, 64K, 1M or 2G.");
  return BigInt(match[1]!) << { "": 0n, K: 10n, M: 20n, G: 30n }[match[2]!.toUpperCase()]!;
}

/** `-v`, `-vvv`, `-v4`, `--verbosity=4`; anything that is no number counts as 0, as CRIU has it. */
function verbosity(text: string, previous: number): number {
  if (/^v*$/.test(text)) return previous + 1 + text.length;
  return Number.parseInt(text, 10) || 0;
}

export const imagesDir = () =>
  new Option("-D, --images-dir <dir>", "directory of the checkpoint").default(".", "the current directory");
/** For verbs that only look: what they read may be an archive, too. */
export const imagesPath = () =>
  new Option(
    "-D, --images-dir <path>",
    "directory of the checkpoint, or a tar archive of it, plain or with gzip or zstd; PATH does the same",
  ).default(".", "the current directory");
export const workDir = () =>
  new Option("-W, --work-dir <dir>", "directory for logs and pid files (default: the images directory)");
export const logFile = () =>
  new Option("-o, --log-file <file>", "log file, relative to the work directory (default: stderr)");
export const verbosityOption = () =>
  new Option("-v, --verbosity [level]", "1 errors, 2 warnings, 3 what is done, 4 details")
    .argParser(verbosity)
    .default(2)
    .preset("");
export const pidFile = () => new Option("--pidfile <file>", "write the pid of the root task to the file");
export const shellJob = () =>
  new Option(
    "-j, --shell-job",
    "allow a task that is a job of a shell: its session and terminal stay outside",
  );
export const json = () => new Option("--json", "print the result as JSON");
/** There are no configuration files; scripts written for CRIU say so all the same. */
export const noDefaultConfig = () =>
  new Option("--no-default-config", "accepted for CRIU's sake: there are no configuration files");

/** A path of the command line, relative to the work directory. */
export function inWorkDir(options: CommonOptions, file: string | undefined): string | undefined {
  return file === undefined || isAbsolute(file) ? file : resolve(options.workDir ?? options.imagesDir, file);
}

export function openLog(options: CommonOptions): Log {
  return new Log(options.verbosity, inWorkDir(options, options.logFile));
}

/**
 * Options of CRIU's that another verb obeys: CRIU takes them everywhere, and its scripts give them everywhere.
 */
export function forAnotherVerb(command: Command, ...flags: string[]): Command {
  for (const each of flags) command.addOption(new Option(each).hideHelp());
  return command;
}

/** Started under the name criu, it writes what criu writes. */
export function defaultFormat(): "native" | "criu" {
  return basename(process.argv[1] ?? "") === "criu" ? "criu" : "native";
}
