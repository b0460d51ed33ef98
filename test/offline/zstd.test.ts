/** Archives compressed with zstd, as podman exports checkpoints: whole ones, damaged ones, and bombs. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { asset } from "../../ts-host/assets.ts";
import { CriuWasmError, UnsupportedError } from "../../ts-host/errors.ts";
import { openDirectory, openPath } from "../../ts-host/offline/node.ts";
import { unzstd } from "../../ts-host/offline/unzstd.ts";
import { hasProgram } from "../support/program.ts";
import { SAMPLES, sampleDirectory, temporaryDirectory } from "../support/samples.ts";

/** The zoo without pages, in two frames, one of them with a checksum, and one between them that is to be skipped. */
const FIXTURE = "test/data/archives/zoo.tar.zst";

async function* inChunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function unpacked(bytes: Uint8Array, chunkSize = 65536): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of unzstd(inChunks(bytes, chunkSize), "stream")) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

/** A frame with a window of 1 MiB and no checksum, of these blocks. */
function frame(...blocks: Uint8Array[]): Buffer {
  return Buffer.concat([Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 10 << 3), ...blocks]);
}

/** A block of `count` times the same byte. */
function repeated(byte: number, count: number, isLast = false): Uint8Array {
  const head = (count << 3) | (1 << 1) | (isLast ? 1 : 0);
  return Uint8Array.of(head & 255, (head >> 8) & 255, head >> 16, byte);
}

test("every image of an archive of several frames is as in its directory", async () => {
  const [archive, directory] = [await openPath(FIXTURE), openDirectory(join(SAMPLES, "zoo"))];
  assert.equal(archive.location, `${FIXTURE}:zoo`);
  assert.equal(archive.list().length, directory.list().length);
  for (const name of directory.list()) assert.deepEqual(archive.read(name), directory.read(name));
  archive.close();
  directory.close();
});

test("it does not matter in which pieces the stream comes", async () => {
  const bytes = readFileSync(FIXTURE);
  const whole = await unpacked(bytes, bytes.length);
  assert.equal(whole.toString("latin1", 257, 262), "ustar");
  for (const size of [1, 7, 4096]) assert.ok(whole.equals(await unpacked(bytes, size)));
});

test("what the zstd command makes, at each of its levels", async (t) => {
  if (!hasProgram("zstd")) return t.skip("needs zstd");
  const directory = sampleDirectory(t, "loop-dynamic");
  const tar = execFileSync("tar", ["-cf", "-", "-C", directory, "."], { maxBuffer: 2 ** 28 });
  for (const options of [
    ["-1"],
    ["-3", "--no-check"],
    ["-19"],
    ["--ultra", "-20"],
    ["--fast=5"],
    ["--long=24"],
  ]) {
    const packed = execFileSync("zstd", ["-q", "-c", ...options], { input: tar, maxBuffer: 2 ** 28 });
    assert.ok(tar.equals(await unpacked(packed)), options.join(" "));
  }
  const largest = execFileSync("zstd", ["-q", "-c", "--ultra", "-22"], { input: tar, maxBuffer: 2 ** 28 });
  await assert.rejects(unpacked(largest), UnsupportedError);
  const archive = join(temporaryDirectory(t), "checkpoint.tar.zst");
  execFileSync("zstd", ["-q", "-o", archive], { input: tar });
  const [packed, plain] = [await openPath(archive), openDirectory(directory)];
  const stack = plain.process(7411).mappings.find(({ kind }) => kind === "stack")!;
  const start = stack.end - 12288n;
  assert.deepEqual(
    packed.process(7411).memory.read(start, 12288),
    plain.process(7411).memory.read(start, 12288),
  );
  packed.close();
  plain.close();
});

test("an archive that is cut anywhere, or has any byte changed, is refused or is as it was", async () => {
  const bytes = readFileSync(FIXTURE);
  const whole = await unpacked(bytes);
  const outcome = async (changed: Uint8Array): Promise<Buffer | undefined> => {
    try {
      return await unpacked(changed);
    } catch (error) {
      assert.ok(error instanceof CriuWasmError, (error as Error).stack);
      return undefined;
    }
  };
  const frames = [0, bytes.indexOf("criuwasm") - 8, bytes.indexOf("criuwasm") + 8];
  for (let length = 1; length < bytes.length; length += 97) {
    const cut = await outcome(bytes.subarray(0, length));
    assert.equal(cut, undefined, `cut at ${length}`);
  }
  // The first frame has a checksum.
  for (let at = 0; at < frames[1]; at += 41) {
    const damaged = Buffer.from(bytes);
    damaged[at] ^= 0x11;
    const read = await outcome(damaged);
    assert.ok(read === undefined || read.equals(whole), `changed at ${at}`);
  }
});

test("windows that are too large, dictionaries and blocks without a type are refused before memory is taken", async () => {
  const refused = async (bytes: Uint8Array, reason: RegExp) => {
    await assert.rejects(
      unpacked(bytes),
      (error) => error instanceof CriuWasmError && reason.test(error.message),
    );
  };
  const magic = [0x28, 0xb5, 0x2f, 0xfd];
  const block = repeated(65, 10, true);
  assert.equal((await unpacked(frame(block))).toString(), "A".repeat(10));
  await refused(Buffer.from([...magic, 0, 31 << 3, ...block]), /a window of more than 33554432 bytes/);
  await refused(Buffer.from([...magic, 0, (15 << 3) | 1, ...block]), /a window of more than 33554432 bytes/);
  // One segment of 2^40 bytes.
  await refused(Buffer.from([...magic, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0, ...block]), /a window of more than/);
  await refused(Buffer.from([...magic, 1, 0, 7, ...block]), /with a dictionary: not supported/);
  await refused(frame(Uint8Array.of(7, 0, 0)), /is damaged/);
  await refused(frame(repeated(0, 128 * 1024 + 1, true)), /is damaged/);
  await refused(Buffer.from("some words"), /no zstd stream/);
  await refused(Buffer.concat([frame(block), Buffer.from("more")]), /no zstd stream/);
});

/** Opens the archive in a process of its own, which tells what it was told, and its peak of memory in KiB. */
function openedElsewhere(archive: string): { message: string; peak: number } {
  const script = `
    const { openPath } = await import(${JSON.stringify(asset("offline.mjs"))});
    const message = await openPath(${JSON.stringify(archive)}, { maximumSize: 2 ** 31 }).catch((error) => error.message);
    console.log(JSON.stringify({ message, peak: process.resourceUsage().maxRSS }));`;
  return JSON.parse(
    execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" }),
  );
}

test("a bomb is refused, and takes no memory to speak of", async (t) => {
  const archive = join(temporaryDirectory(t), "bomb.tar.zst");
  // 256 KiB that unpack to 8 GiB, none of them a tar header.
  writeFileSync(
    archive,
    frame(...Array.from({ length: 65536 }, () => repeated(0, 128 * 1024)), repeated(0, 1, true)),
  );
  const { message, peak } = openedElsewhere(archive);
  assert.equal(message, "unpacks to more than 2147483648 bytes");
  assert.ok(peak < 300 * 1024, `${peak} KiB`);
});

test("how much of an archive has been read is told on the way", async () => {
  const told: number[] = [];
  (await openPath(FIXTURE, { onRead: (bytes) => told.push(bytes) })).close();
  assert.equal(told.at(-1), statSync(FIXTURE).size);
});
