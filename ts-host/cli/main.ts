/** Finds the verb, runs it, and says in one place how it went. */
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { packageFile } from "../assets.ts";
import { CriuWasmError, describe, InterruptedError, UnsupportedError, UsageError } from "../errors.ts";
import { machineJson, type Terminal } from "./terminal.ts";
import { NegativeAnswer, type Verbs } from "./verb.ts";
import { asksForHelp, isVerb, NOT_YET, SUMMARIES, splitVerb } from "./verb-names.ts";

function version(): string {
  return (JSON.parse(readFileSync(packageFile("package.json"), "utf8")) as { version: string }).version;
}

function overview(): string {
  const width = Math.max(...Object.keys(SUMMARIES).map((name) => name.length));
  const verbs = Object.entries(SUMMARIES).map(([name, summary]) => `    ${name.padEnd(width)}  ${summary}`);
  return `NAME
    criu-wasm - checkpoint and restore of Linux processes

SYNOPSIS
    criu-wasm VERB [options]
    criu-wasm VERB --help
    criu-wasm --version

VERBS
${verbs.join("\n")}
`;
}

async function loadVerb(
  name: string | undefined,
  verbs: Partial<Verbs>,
  terminal: Terminal,
): Promise<Command> {
  if (name === undefined) throw new UsageError("a verb is required", { hint: "criu-wasm --help lists them" });
  const load = isVerb(name) ? verbs[name] : undefined;
  if (load) return (await load())(terminal);
  const hint = "criu-wasm --help lists the verbs";
  if (NOT_YET.includes(name)) throw new UnsupportedError(`CRIU's ${name} is not supported yet`, { hint });
  throw new UsageError(`unknown verb ${name}`, { hint });
}

/** Runs a verb with its options. */
async function runVerb(command: Command, args: string[], terminal: Terminal): Promise<void> {
  const { CommanderError } = await import("commander");
  const { isCriuOption, withoutNegations } = await import("./criu-options.ts");
  try {
    await command.parseAsync(withoutNegations(args), { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return terminal.print(command.helpInformation());
    const hint = `criu-wasm ${command.name()} --help lists the options`;
    const unknown = /unknown option '(.*?)'/.exec(error.message)?.[1];
    if (unknown !== undefined && isCriuOption(unknown))
      throw new UnsupportedError(`CRIU's option ${unknown} does nothing here yet`, { hint });
    throw new UsageError(error.message.replace(/^error: /, "").replace(/\.$/, ""), { hint });
  }
}

async function report(error: unknown, command: Command | undefined, terminal: Terminal): Promise<void> {
  if (command && error instanceof CriuWasmError) error.within({ phase: command.name() });
  const { json, verbosity } = command?.opts<{ json?: boolean; verbosity?: number }>() ?? {};
  const text = describe(error);
  if (verbosity !== 0) terminal.complain(`criu-wasm: ${text}`);
  if (json) {
    const context = error instanceof CriuWasmError ? { context: error.context } : {};
    await terminal.print(machineJson({ error: text, ...context }));
  }
  if (!(error instanceof CriuWasmError) && process.env.CRIU_WASM_DEBUG)
    terminal.complain((error as Error).stack ?? "");
}

/** How a run went. */
export interface Outcome {
  /** The exit status. */
  status: number;
  /** All was done that was asked for. */
  isComplete: boolean;
}

const COMPLETE: Outcome = { status: 0, isComplete: true };

/** Runs one of `verbs`, as the arguments ask. */
export async function main(
  args: readonly string[],
  verbs: Partial<Verbs>,
  terminal: Terminal,
): Promise<Outcome> {
  if (args[0] === "--version" || args[0] === "-V") {
    await terminal.print(`${version()}\n`);
    return COMPLETE;
  }
  const { name, rest } = splitVerb(args);
  if (name === undefined && asksForHelp(rest)) {
    await terminal.print(overview());
    return COMPLETE;
  }
  let command: Command | undefined;
  try {
    command = await loadVerb(name, verbs, terminal);
    await runVerb(command, rest, terminal);
    return COMPLETE;
  } catch (error) {
    if (error instanceof NegativeAnswer) return { status: 1, isComplete: true };
    await report(error, command, terminal);
    const status = error instanceof InterruptedError ? 128 + error.context.signal! : 1;
    return { status, isComplete: false };
  }
}
