/**
 * A stopped program that is dumped twice, in either format: the first, converted, is the second, but for times and
 * statistics.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { parseImageFileName } from "../../ts-host/images/framing.ts";
import { openCheckpoint } from "../../ts-host/images/open.ts";
import { canonical, type Statements } from "../criu/canonical.ts";
import { assertSameBytes } from "../support/pages.ts";
import { mustRun, startVictim, taskState, waitFor } from "../support/victim.ts";
import { victims } from "../victims/catalogue.ts";

/** Programs that have something of each kind of image, none of which changes while they are stopped. */
const VICTIMS = [
  "anon-private",
  "anon-shared",
  "file-owner",
  "o-path",
  "file-private",
  "ghost-file",
  "memfd",
  "seccomp-filters",
  "signal-pending",
  "threads-tls",
  "zero-pages",
];

/** Statements that are of the moment of a dump, or of the way in which it was made. */
const OF_THE_DUMP = [
  /^INVENTORY\.(dump_criu_run_id|dump_uptime)$/,
  /^STATS\./,
  /^TIMENS\./,
  // The first dump has used privileges for the program, and has read its deleted files.
  /^CORE\[\d+\]\.tc\.flags$/,
  /^GHOST_FILE\[\d+\]\.(atim\.|criu_wasm\.atim_ns)/,
];

function statementsOf(directory: string): Statements {
  const reader = openCheckpoint(directory);
  const statements = canonical(reader);
  reader.close();
  for (const path of [...statements.keys()])
    if (OF_THE_DUMP.some((pattern) => pattern.test(path))) statements.delete(path);
  return statements;
}

/** Images that are the same to the last byte, whatever the moment. */
function isTimeless(file: string): boolean {
  const kind = parseImageFileName(file)?.kind;
  return (
    kind !== undefined && !["INVENTORY", "STATS", "TIMENS", "CORE", "GHOST_FILE", "PAGES"].includes(kind)
  );
}

async function compare(t: TestContext, name: string): Promise<void> {
  if (process.getuid?.() !== 0) return t.skip("needs root");
  const entry = victims.find((victim) => victim.name === name)!;
  const victim = await startVictim(t, entry);
  if (victim === undefined) return;
  process.kill(victim.pid, "SIGSTOP");
  await waitFor(
    () => "it does not stop",
    () => taskState(victim.pid) === "T",
  );
  const [native, criu, converted] = ["native", "criu", "converted"].map((each) => join(victim.dir, each));
  const dump = (format: string, directory: string) =>
    mustRun(
      ["dump", "-t", `${victim.pid}`, "-D", directory, "-R", "--format", format, ...(entry.dumpArgs ?? [])],
      victim.dir,
    );
  await dump("native", native);
  await dump("criu", criu);
  assert.equal(taskState(victim.pid), "T");
  await mustRun(["convert", "--to", "criu", "-D", native, "-o", converted], victim.dir);
  const files = readdirSync(criu);
  assert.deepEqual(readdirSync(converted), files);
  for (const file of files.filter(isTimeless))
    assertSameBytes(readFileSync(join(converted, file)), readFileSync(join(criu, file)), file);
  const statements = statementsOf(criu);
  assert.deepEqual(statementsOf(converted), statements);
  assert.ok(
    [...statements.keys()].filter((path) => path.endsWith(".content")).length > 10,
    "pages were compared",
  );
}

for (const name of VICTIMS)
  test(`${name}: native and converted is what --format criu writes`, (t) => compare(t, name));
