#!/usr/bin/env node
/**
 * The file that starts: it runs the bundle that has the verb. To parse and compile that anew takes longer than the
 * work of a small dump, so what V8 has compiled is kept beside the bundle, for each verb, when the verb has run
 * well for the first time. Where that cannot be written nothing is lost but time.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Script } from "node:vm";
import { QUICK } from "./verb-names.ts";

/** File names of the bundles, which change with their content: put in by the build. */
declare const BUNDLES: { command: string; quick: string };

function readCache(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
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

function launch(): void {
  const verb = /^[a-z]+$/.exec(process.argv[2] ?? "")?.[0] ?? "other";
  const isQuick = QUICK.some((name) => name === verb);
  if (isQuick) hurry();
  const bundle = join(__dirname, isQuick ? BUNDLES.quick : BUNDLES.command);
  const cache = `${bundle}.${verb}.${process.version}.cache`;
  const cachedData = readCache(cache);
  const script = new Script(readFileSync(bundle, "latin1"), { filename: bundle, cachedData });
  script.runInThisContext()(require, bundle, __dirname);
  if (cachedData && !script.cachedDataRejected) return;
  process.on("exit", (status) => {
    if (status === 0) writeCache(cache, script.createCachedData());
  });
}

launch();
