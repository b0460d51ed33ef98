#!/usr/bin/env node
/**
 * The file that starts: it runs the bundle that has the verb. To parse and compile that anew takes longer than the
 * work of a small dump, so what V8 has compiled is kept beside the bundle, for each verb, when the verb has run
 * well for the first time. Where that cannot be written nothing is lost but time.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
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

/** Most of a short run is over before optimised code pays: only what is truly hot is to be compiled again. */
const OPTIMISE_LATER = "--interrupt-budget=1000000";

function launch(): void {
  setFlagsFromString(OPTIMISE_LATER);
  const verb = /^[a-z]+$/.exec(process.argv[2] ?? "")?.[0] ?? "other";
  const bundle = join(__dirname, QUICK.some((name) => name === verb) ? BUNDLES.quick : BUNDLES.command);
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
