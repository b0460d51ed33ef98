/** Verbs that look into checkpoints, given each image of CRIU's samples damaged in turn. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { IMAGE_KINDS } from "../../ts-host/generated/messages.ts";
import { parseImageFileName } from "../../ts-host/images/framing.ts";
import { headerSize, recordOffsets, withWord } from "../support/damage.ts";
import { command } from "../support/in-process.ts";
import { SAMPLES, sampleDirectory } from "../support/samples.ts";

/** Verbs that look at the checkpoint in DIR. */
const VERBS = [
  ["show", "DIR"],
  ["info", "DIR"],
  ["x", "DIR", "mems"],
  ["x", "DIR", "fds"],
];

/** Runs the verbs: each either works, or says in one sentence what is wrong. What info says. */
async function assertPoliteness(directory: string, what: string): Promise<string> {
  let info = "";
  for (const verb of VERBS) {
    const { status, stderr } = await command(...verb.map((arg) => (arg === "DIR" ? directory : arg)));
    assert.ok(status === 0 || status === 1, `${what}: ${verb[0]} ended with ${status}`);
    assert.doesNotMatch(stderr, /internal error/, `${what}: ${verb[0]}`);
    if (status === 1) assert.match(stderr, /^criu-wasm: [^\n]+\n$/, what);
    if (verb[0] === "info") info = stderr;
  }
  return info;
}

/** What validate finds. */
async function findings(directory: string): Promise<string> {
  const { status, stdout } = await command("validate", "-D", directory);
  assert.equal(status, 1);
  return stdout.toString();
}

for (const sample of readdirSync(SAMPLES)) {
  test(`${sample}: each image cut, with a size of 2^32-1, a wrong magic, and missing`, async (t) => {
    const directory = sampleDirectory(t, sample);
    for (const file of readdirSync(directory)) {
      const { kind } = parseImageFileName(file)!;
      if (IMAGE_KINDS[kind].messages.length === 0) continue;
      const path = join(directory, file);
      const bytes = readFileSync(path);
      const offsets = recordOffsets(kind, bytes);
      // Of long images some records are as good as all.
      const step = Math.ceil(offsets.length / 4);
      for (let record = 0; record < offsets.length; record += step) {
        const offset = offsets[record]!;
        writeFileSync(path, bytes.subarray(0, offset));
        await assertPoliteness(directory, `${file} cut before record ${record}`);
        writeFileSync(path, withWord(bytes, offset, 0xffffffff));
        const what = `${file}, record ${record} of 2^32-1 bytes`;
        const place = `${file}, record ${record}, offset ${offset + 4}: a record of 4294967295 bytes, but only`;
        const info = await assertPoliteness(directory, what);
        assert.ok(info.includes(place), `${what}: ${info}`);
        const decoded = await command("decode", "-i", path);
        assert.equal(decoded.status, 1);
        assert.ok(decoded.stderr.includes(place), decoded.stderr);
      }
      writeFileSync(path, withWord(bytes, headerSize(kind) - 4, 0x01020304));
      const place = `${file}, offset ${headerSize(kind) - 4}: not an image of kind ${kind}`;
      const info = await assertPoliteness(directory, `${file} with a wrong magic`);
      assert.ok(info.includes(place), info);
      const found = await findings(directory);
      assert.ok(found.includes(place), found);
      rmSync(path);
      await assertPoliteness(directory, `${file} missing`);
      writeFileSync(path, bytes);
    }
  });
}
