/** Checkpoints that `criu-wasm rewrite` has made, or has refused to make. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { openDirectory } from "../../ts-host/offline/node.ts";
import type { Edit } from "../../ts-host/offline/rewrite/index.ts";
import { describeFinding, validate } from "../../ts-host/offline/validate/index.ts";
import { command } from "./in-process.ts";
import { temporaryDirectory } from "./samples.ts";

/** Rewrites a checkpoint; what was changed, and the new checkpoint, which has to be sound. */
export async function rewrittenDirectory(t: TestContext, directory: string, ...changes: string[]) {
  const out = join(temporaryDirectory(t), "new");
  const { status, stdout, stderr } = await command(
    "rewrite",
    "-D",
    directory,
    "-o",
    out,
    "--json",
    ...changes,
  );
  assert.equal(status, 0, stderr);
  const checkpoint = openDirectory(out);
  t.after(() => checkpoint.close());
  assert.deepEqual([...validate(checkpoint)].map(describeFinding), []);
  const { edits } = JSON.parse(stdout.toString()) as { edits: Edit[] };
  return {
    checkpoint,
    edits: edits.map(({ file, field, before, after }) => `${file} ${field}: ${before} -> ${after}`),
  };
}

/** Why the changes are refused. */
export async function refusalOf(t: TestContext, directory: string, ...changes: string[]): Promise<string> {
  const out = join(temporaryDirectory(t), "new");
  const { status, stderr } = await command("rewrite", "-D", directory, "-o", out, ...changes);
  assert.equal(status, 1);
  assert.ok(!existsSync(out), "nothing was written");
  return stderr.trim();
}
