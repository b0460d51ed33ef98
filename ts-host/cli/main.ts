/** Finds the verb, runs it, and says in one place how it went. */
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { packageFile } from "../assets.ts";
import { CriuWasmError, describe, UnsupportedError, UsageError } from "../errors.ts";
import { machineJson, type Terminal } from "./terminal.ts";
import { NegativeAnswer, NOT_YET, VERBS } from "./verbs.ts";

function version(): string {
  return (JSON.parse(readFileSync(packageFile("package.json"), "utf8")) as { version: string }).version;
}

function overview(): string {
  const width = Math.max(...Object.keys(VERBS).map((name) => name.length));
  const verbs = Object.entries(VERBS).map(([name, { summary }]) => `    ${name.padEnd(width)}  ${summary}`);
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

/** The verb comes first; CRIU takes options before it, so it may also be the first word that is one. */
function splitVerb(args: readonly string[]): { name: string | undefined; rest: string[] } {
  const at = args[0]?.startsWith("-") ? args.findIndex((arg) => arg in VERBS || NOT_YET.includes(arg)) : 0;
  return { name: args[at], rest: args.filter((_, index) => index !== at) };
}

async function loadVerb(name: string, terminal: Terminal): Promise<Command> {
  if (Object.hasOwn(VERBS, name)) return (await VERBS[name]!.load())(terminal);
  const hint = "criu-wasm --help lists the verbs";
  if (NOT_YET.includes(name)) throw new UnsupportedError(`CRIU's ${name} is not supported yet`, { hint });
  throw new UsageError(`unknown verb ${name}`, { hint });
}

/** What commander says of wrong options, as an error of ours; nothing when it only showed a page. */
async function usageError(error: unknown, verb: string): Promise<unknown> {
  const { CommanderError } = await import("commander");
  if (!(error instanceof CommanderError)) return error;
  if (error.exitCode === 0) return undefined;
  const { isCriuOption } = await import("./criu-options.ts");
  const context = { phase: verb, hint: `criu-wasm ${verb} --help lists the options` };
  const unknown = /unknown option '(.*?)'/.exec(error.message)?.[1];
  if (unknown !== undefined && isCriuOption(unknown))
    return new UnsupportedError(`CRIU's option ${unknown} does nothing here yet`, context);
  return new UsageError(error.message.replace(/^error: /, "").replace(/\.$/, ""), context);
}

/** Runs the command with these arguments; the exit status. */
export async function main(args: readonly string[], terminal: Terminal): Promise<number> {
  const { name, rest } = splitVerb(args);
  let command: Command | undefined;
  try {
    if (args[0] === "--version" || args[0] === "-V") {
      await terminal.print(`${version()}\n`);
      return 0;
    }
    if (name === undefined && args.some((arg) => arg === "--help" || arg === "-h")) {
      await terminal.print(overview());
      return 0;
    }
    if (name === undefined)
      throw new UsageError("a verb is required", { hint: "criu-wasm --help lists them" });
    command = await loadVerb(name, terminal);
    const { withoutNegations } = await import("./criu-options.ts");
    await command.parseAsync(withoutNegations(rest), { from: "user" });
    return 0;
  } catch (thrown) {
    if (thrown instanceof NegativeAnswer) return 1;
    const error = name === undefined ? thrown : await usageError(thrown, name);
    if (error === undefined) return 0;
    if (command && error instanceof CriuWasmError) error.within({ phase: name });
    const { json, verbosity } = command?.opts<{ json?: boolean; verbosity?: number }>() ?? {};
    const text = describe(error);
    if (verbosity !== 0) terminal.complain(`criu-wasm: ${text}`);
    if (json) await terminal.print(machineJson({ error: text, ...contextOf(error) }));
    if (!(error instanceof CriuWasmError) && process.env.CRIU_WASM_DEBUG)
      terminal.complain((error as Error).stack ?? "");
    return 1;
  }
}

function contextOf(error: unknown): object {
  return error instanceof CriuWasmError ? { context: error.context } : {};
}
