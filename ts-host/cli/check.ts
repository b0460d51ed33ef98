/** criu-wasm check: what this machine can do, and what it cannot. */
import { type Command, Option } from "commander";
import { UsageError } from "../errors.ts";
import { FEATURES, has, NOT_IN_THIS_PROGRAM, REQUIRED } from "../features/index.ts";
import { loadShim } from "../native/ffi.ts";
import { type Manual, newCommand } from "./command.ts";
import { LOG_INFO } from "./log.ts";
import { logged } from "./logged.ts";
import {
  type CommonOptions,
  imagesDir,
  json,
  logFile,
  noDefaultConfig,
  openLog,
  verbosityOption,
  workDir,
} from "./options.ts";
import { machineJson, type Terminal } from "./terminal.ts";
import { NegativeAnswer } from "./verb.ts";

interface Options extends CommonOptions {
  feature?: string;
  extra?: boolean;
  all?: boolean;
}

function names(): string[] {
  return [...FEATURES.map(({ name }) => name), ...NOT_IN_THIS_PROGRAM].sort();
}

/** Whether the feature of that name is there. */
function hasFeature(name: string): boolean {
  if (NOT_IN_THIS_PROGRAM.has(name)) return false;
  const feature = FEATURES.find((candidate) => candidate.name === name);
  if (!feature) throw new UsageError(`unknown feature ${name}`, { hint: "--feature list lists them" });
  return has(feature);
}

async function checkOne(name: string, options: Options, terminal: Terminal): Promise<void> {
  if (name === "list") return terminal.print(options.json ? machineJson(names()) : `${names().join("\n")}\n`);
  const supported = hasFeature(name);
  if (options.json) await terminal.print(machineJson({ feature: name, supported }));
  else if (supported) await terminal.print(`${name} is supported\n`);
  if (!supported) throw new NegativeAnswer();
}

interface Found {
  name: string;
  use: string;
  required: boolean;
  supported: boolean;
}

const NAME_WIDTH = Math.max(...FEATURES.map(({ name }) => name.length));

function lines(found: Found[]): string[] {
  return found.map(
    ({ name, use, supported }) => `    ${supported ? "yes" : "no "}  ${name.padEnd(NAME_WIDTH)}  ${use}`,
  );
}

function verdict(found: Found[]): string {
  const missing = found.filter(({ supported }) => !supported);
  if (missing.some(({ required }) => required)) return "Does not look good.";
  return missing.length === 0 ? "Looks good." : "Looks good, but what is missing may be needed by a program.";
}

async function checkAll({ extra, all, json }: Options, terminal: Terminal): Promise<void> {
  const found = FEATURES.map((feature) => ({
    name: feature.name,
    use: feature.use,
    required: REQUIRED.has(feature.name),
    supported: has(feature),
  }));
  const [needed, others] = [
    found.filter(({ required }) => required),
    found.filter(({ required }) => !required),
  ];
  if (json) {
    await terminal.print(machineJson(found));
  } else {
    const text = [
      "needed always:",
      ...lines(needed),
      "needed by some programs:",
      ...lines(others),
      verdict(found),
    ];
    await terminal.print(`${text.join("\n")}\n`);
  }
  const decisive = extra || all ? found : needed;
  if (decisive.some(({ supported }) => !supported)) throw new NegativeAnswer();
}

async function check(options: Options, terminal: Terminal): Promise<void> {
  const log = openLog(options);
  await logged("check", log, async () => {
    loadShim();
    log.write(LOG_INFO, `checking ${options.feature ?? "all features"}`);
    if (options.feature === undefined) await checkAll(options, terminal);
    else await checkOne(options.feature, options, terminal);
  });
}

const MANUAL: Manual = {
  name: "check",
  synopsis: "[--feature NAME | --extra | --all] [--json]",
  description: [
    "Tries on this machine what dumping and restoring takes, and tells what is there and what is not. Some of it every program needs, the rest those that use it. Run it as the user who is to dump and restore.",
    "The names are CRIU's. Four of them are no features of a machine but of CRIU itself, and not in this program: compat_cr, external_net_ns, network_lock_nftables, nftables.",
  ],
  examples: [
    ["criu-wasm check", "Everything."],
    ["criu-wasm check --feature uffd && echo yes", "One thing, for scripts."],
  ],
  exitStatus:
    "0 when everything is there that is always needed; with --extra or --all, when everything is there; with --feature, when that is there. Else 1.",
};

export function checkCommand(terminal: Terminal): Command {
  return newCommand(MANUAL)
    .option("--feature <name>", "only this; list prints the names")
    .option("--extra", "the exit status tells also of what only some programs need")
    .option("--all", "the same")
    .addOption(new Option("--experimental", "nothing here is experimental").hideHelp())
    .addOption(json())
    .addOption(imagesDir().hideHelp())
    .addOption(workDir())
    .addOption(logFile())
    .addOption(verbosityOption())
    .addOption(noDefaultConfig())
    .action((options: Options) => check(options, terminal));
}
