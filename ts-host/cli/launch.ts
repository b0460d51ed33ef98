#!/usr/bin/env node
/**
 * The file that starts: it runs the script that has the verb. To parse and compile that anew takes longer than the
 * work of a small dump, so what V8 has compiled is kept beside the script, for each verb, when the verb has done its
 * work for the first time. Where that cannot be written nothing is lost but time.
 */
import { closeSync, fstatSync, openSync, readSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Script } from "node:vm";
import { asksForHelp, isVerb, type ScriptName, scriptOf, splitVerb, type VerbName } from "./verb-names.ts";

/** File names of the scripts, which change with their content: put in by the build. */
declare const SCRIPT_FILES: Record<ScriptName, string>;

/** Verbs that are in a hurry: most of their runs are short, and those that are not are no slower. */
const HURRIED: readonly VerbName[] = ["dump", "restore", "diff", "show", "x"];

/** Both files are read to the same memory: to touch memory for the first time takes longer than to read. */
const MEMORY_BYTES = 1 << 20;

/** Reads a file to `memory`, or to new memory where there is more in it. */
function read(file: string, memory: Buffer): Buffer {
  const fd = openSync(file, "r");
  try {
    const { size } = fstatSync(fd);
    const content = size > memory.length ? Buffer.allocUnsafeSlow(size) : memory.subarray(0, size);
    return content.subarray(0, readSync(fd, content));
  } finally {
    closeSync(fd);
  }
}

function readCache(file: string, memory: Buffer): Buffer | undefined {
  try {
    return read(file, memory);
  } catch {
    return undefined;
  }
}

/** Under its final name there is a whole file or none. */
function writeCache(file: string, data: Buffer): void {
  const unfinished = `${file}.${process.pid}`;
  try {
    writeFileSync(unfinished, data, { flag: "wx" });
    renameSync(unfinished, file);
  } catch {
    rmSync(unfinished, { force: true });
  }
}

type SetFlags = (flags: string) => void;

/**
 * How options of V8 are set. node:v8 brings all of Node's streams with it, 4 ms of them; what stands behind it is
 * still to be had by its old name in Node 20 and 22, which warn of that.
 */
function flagSetter(major: number): SetFlags {
  if (major > 22) return require("node:v8").setFlagsFromString;
  const node = process as typeof process & { binding(name: string): { setFlagsFromString: SetFlags } };
  const { noDeprecation } = process;
  process.noDeprecation = true;
  try {
    return node.binding("v8").setFlagsFromString;
  } finally {
    process.noDeprecation = noDeprecation;
  }
}

/**
 * A short run is over before code that is compiled again, or room that was not touched yet, pays. V8 complains
 * of options that it does not know, so each is set where it was tried.
 */
function hurry(): void {
  const major = Number.parseInt(process.versions.node, 10);
  if (major > 24) return;
  const setFlags = flagSetter(major);
  setFlags("--no-sparkplug");
  setFlags("--semi-space-growth-factor=1");
  setFlags("--no-parallel-scavenge");
  if (major >= 22) return;
  setFlags("--interrupt-budget=1000000");
  // As in later versions.
  setFlags("--wasm-tiering-budget=13000000");
}

/** What compiled code is kept for: a verb, the help of all verbs, or neither. */
function taskOf(name: string, rest: readonly string[]): string {
  if (asksForHelp(rest)) return "help";
  return isVerb(name) ? name : "none";
}

function launch(): void {
  const { name = "", rest } = splitVerb(process.argv.slice(2));
  const task = taskOf(name, rest);
  if (HURRIED.some((verb) => verb === task)) hurry();
  const file = join(__dirname, SCRIPT_FILES[scriptOf(name)]);
  const cache = `${file}.${task}.${process.version}.cache`;
  const memory = Buffer.allocUnsafeSlow(MEMORY_BYTES);
  const source = read(file, memory).toString("latin1");
  const cachedData = readCache(cache, memory);
  const script = new Script(source, { filename: file, cachedData });
  const keepCompiled = () => {
    if (!cachedData || script.cachedDataRejected) writeCache(cache, script.createCachedData());
  };
  script.runInThisContext()(require, file, __dirname, keepCompiled);
}

launch();
