/** criu-wasm search: finds text, bytes or a regular expression in the memory of a checkpoint. */
import type { Command } from "commander";
import { UsageError } from "../errors.ts";
import { hex } from "../images/binary.ts";
import { hexLine } from "../offline/hexdump.ts";
import {
  expressionPattern,
  hexPattern,
  type Match,
  type Pattern,
  search as searchMemory,
  textPattern,
  utf16Pattern,
} from "../offline/search/index.ts";
import { type Manual, newCommand } from "./command.ts";
import { openInput, readsCheckpoint } from "./input.ts";
import { kind, pid, prot, type SelectionOptions, selectionOf } from "./memory-options.ts";
import { json, positiveInteger } from "./options.ts";
import { runSteps } from "./progress.ts";
import { machineJson, type Terminal } from "./terminal.ts";
import { NegativeAnswer } from "./verb.ts";

export interface PatternOptions {
  text?: string;
  utf16?: string;
  hex?: string;
  regex?: string;
  ignoreCase?: boolean;
}

interface Options extends SelectionOptions, PatternOptions {
  imagesDir: string;
  limit?: number;
  json?: boolean;
}

/** Bytes of a match that are shown. */
const SHOWN = 16;

export function addPatternOptions(command: Command): Command {
  return command
    .option("--text <text>", "text, in UTF-8")
    .option("--utf16 <text>", "text, in UTF-16 (little-endian)")
    .option("--hex <bytes>", 'bytes: "de ad be ef"')
    .option("--regex <expression>", "regular expression of JavaScript over bytes; \\xNN is a byte")
    .option("--ignore-case", "for --regex: capital letters are as small ones");
}

export function patternOf({ text, utf16, hex, regex, ignoreCase }: PatternOptions): Pattern {
  const given = [text, utf16, hex, regex].filter((each) => each !== undefined);
  if (given.length !== 1)
    throw new UsageError("say what to search for: one of --text, --utf16, --hex, --regex");
  if (text !== undefined) return textPattern(text);
  if (utf16 !== undefined) return utf16Pattern(utf16);
  return hex !== undefined ? hexPattern(hex) : expressionPattern(regex!, ignoreCase);
}

function line({ process, mapping, address, content }: Match): string {
  const place = `${`${process.pid}`.padStart(7)}  ${mapping.protection}  ${mapping.kind.padEnd(9)}`;
  return `${place}  ${hexLine(address, content.subarray(0, SHOWN))}  ${mapping.name}\n`;
}

function forMachines({ process, mapping, address, length, content }: Match) {
  const { kind, protection, name } = mapping;
  return { pid: process.pid, address, length, kind, protection, mapping: name, content: hex(content) };
}

async function search(options: Options, terminal: Terminal): Promise<void> {
  const pattern = patternOf(options);
  const checkpoint = await openInput(options.imagesDir, terminal);
  let found = 0;
  const { limit = Number.POSITIVE_INFINITY } = options;
  const matches = upTo(limit, searchMemory(checkpoint, pattern, selectionOf(options)));
  await runSteps("search", matches, terminal, async (match) => {
    found++;
    await terminal.print(options.json ? machineJson(forMachines(match)) : line(match));
  });
  checkpoint.close();
  if (!options.json)
    await terminal.print(
      `${found} ${found === 1 ? "match" : "matches"}${found === limit ? ", and perhaps more" : ""}\n`,
    );
  if (found === 0) throw new NegativeAnswer();
}

/** Ends the search after `limit` matches. */
function* upTo<T extends object>(limit: number, matches: Generator<T>): Generator<T, void> {
  let left = limit;
  for (const match of matches) {
    yield match;
    if ("address" in match && --left <= 0) return;
  }
}

const MANUAL: Manual = {
  name: "search",
  synopsis:
    "--text TEXT | --utf16 TEXT | --hex BYTES | --regex EXPRESSION [-p PID] [--kind …] [--prot …] [PATH]",
  description: [
    "Finds all places in the memory of the processes where something stands, as far as the images hold it: unchanged pages of mapped files are not in them.",
    "Matches that overlap are found once. A match of a regular expression is at most 64 KiB long. With --json each match is an object on a line of its own.",
  ],
  examples: [
    ["criu-wasm search -D images --text hunter2", "Where the password stands."],
    [
      "criu-wasm search -D images --regex 'BEGIN [A-Z ]*PRIVATE KEY' --prot w",
      "Private keys in memory that can be written.",
    ],
  ],
  exitStatus: "0 when there was a match, 1 when there was none or something failed.",
};

export function searchCommand(terminal: Terminal): Command {
  return readsCheckpoint(addPatternOptions(newCommand(MANUAL)))
    .addOption(pid())
    .addOption(kind())
    .addOption(prot())
    .option("--limit <count>", "stop after so many matches", positiveInteger)
    .addOption(json())
    .action((_path, options: Options) => search(options, terminal));
}
