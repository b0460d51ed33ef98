/** Damaged and hostile images: whatever is in one, the answer is a value or a typed error, and comes soon. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Builder } from "flatbuffers";
import { ImageError } from "../../ts-host/errors.ts";
import { IMAGE_KINDS, type ImageKind, type MessageName } from "../../ts-host/generated/messages.ts";
import { decodeMessage, decodeProtobuf, fromProtobuf, toProtobuf } from "../../ts-host/images/codec.ts";
import { parseImage, parseImageFileName, writeImage } from "../../ts-host/images/framing.ts";
import { toJson } from "../../ts-host/images/json/to-json.ts";
import { Core } from "../../ts-host/wasm/core.ts";
import { protobufToJson } from "../../ts-host/wasm/transcoder.ts";
import { Random } from "../support/random.ts";

const SAMPLES = "test/data/criu-images";
const LIMIT_OF_CORE = 1 << 30;

interface Sample {
  kind: ImageKind;
  file: string;
  bytes: Buffer;
}

/** One sample of each kind, and of each size of file. */
const samples: Sample[] = readdirSync(SAMPLES)
  .flatMap((folder) => readdirSync(join(SAMPLES, folder)).map((file) => join(folder, file)))
  .filter((file) => !file.startsWith("threads") && !file.startsWith("loop-static"))
  .map((path) => {
    const file = path.slice(path.indexOf("/") + 1);
    return { kind: parseImageFileName(file)!.kind, file, bytes: readFileSync(join(SAMPLES, path)) };
  });

/** Runs it; undefined where it gives the typed error. Anything else that is thrown fails the test. */
function attempt<T>(run: () => T, about: string): T | undefined {
  try {
    return run();
  } catch (error) {
    assert.ok(error instanceof ImageError, `${about}: ${error instanceof Error ? error.stack : error}`);
    return undefined;
  }
}

/** Where the records of an image end; of kinds without payload. */
function recordEnds(bytes: Buffer): number[] {
  const ends: number[] = [];
  for (let at = 8; at + 4 <= bytes.length; ends.push(at)) at += 4 + bytes.readUInt32LE(at);
  return ends;
}

test("an image cut off anywhere is named as such, or is an image of fewer records", () => {
  for (const { kind, file, bytes } of samples) {
    const step = Math.ceil(bytes.length / 500);
    for (let length = 0; length < bytes.length; length += step) {
      attempt(() => parseImage(kind, bytes.subarray(0, length), file), `${file} cut at ${length}`);
    }
    if (IMAGE_KINDS[kind].header !== "ordinary" || IMAGE_KINDS[kind].payload) continue;
    recordEnds(bytes).forEach((end, index) => {
      assert.equal(parseImage(kind, bytes.subarray(0, end), file).length, index + 1, `${file} cut at ${end}`);
      for (const cut of [end - 1, end + 1, end + 3].filter((offset) => offset < bytes.length)) {
        const parse = () => parseImage(kind, bytes.subarray(0, cut), file);
        assert.throws(parse, (error: unknown) => error instanceof ImageError && error.context.file === file);
      }
    });
  }
});

test("random damage gives an error or another image, which can be written and shown", () => {
  const random = new Random(7);
  for (const { kind, file, bytes } of samples) {
    for (let round = 0; round < 60; round++) {
      const damaged = Buffer.from(bytes);
      for (let count = 1 + random.below(3); count > 0; count--) {
        damaged[random.below(damaged.length)] = random.oneIn(3)
          ? random.pick([0, 0x7f, 0x80, 0xff])
          : random.bits();
      }
      const about = `${file}, round ${round}`;
      const records = attempt(() => parseImage(kind, damaged, file), about);
      if (records === undefined) continue;
      assert.deepEqual(parseImage(kind, writeImage(kind, records)), records, about);
      if (IMAGE_KINDS[kind].messages.length > 0) toJson(kind, records);
    }
  }
});

test("random damage to FlatBuffers gives an error or another message", () => {
  const random = new Random(11);
  for (const { kind, file, bytes } of samples) {
    const { messages, header, payload } = IMAGE_KINDS[kind];
    if (header !== "ordinary" || payload) continue;
    const [end] = recordEnds(bytes);
    if (end === undefined) continue;
    const flat = fromProtobuf(messages[0], bytes.subarray(12, end));
    for (let round = 0; round < 150; round++) {
      const damaged = flat.slice(0, random.oneIn(9) ? random.below(flat.length) : flat.length);
      for (let count = 1 + random.below(4); count > 0 && damaged.length > 0; count--) {
        damaged[random.below(damaged.length)] = random.oneIn(3)
          ? random.pick([0, 1, 4, 0x80, 0xff])
          : random.bits();
      }
      const about = `${file}, round ${round}`;
      const value = attempt(() => decodeMessage(messages[0], damaged), about);
      const protobuf = attempt(() => toProtobuf(messages[0], damaged), about);
      assert.equal(value === undefined, protobuf === undefined, about);
      if (protobuf) assert.deepEqual(decodeProtobuf(messages[0], protobuf), value, about);
    }
  }
});

test("random bytes are not a message", () => {
  const random = new Random(13);
  const names: MessageName[] = ["core_entry", "mm_entry", "file_entry", "cgroup_entry", "criu_opts"];
  for (let round = 0; round < 3000; round++) {
    const bytes = random.bytes(random.below(200));
    attempt(() => decodeProtobuf(names[round % names.length], bytes), `protobuf, round ${round}`);
    attempt(() => decodeMessage(names[round % names.length], bytes), `FlatBuffers, round ${round}`);
  }
});

function assertFails(run: () => unknown, message: RegExp): ImageError {
  let found: unknown;
  assert.throws(run, (error: unknown) => {
    found = error;
    return error instanceof ImageError && message.test(error.message);
  });
  return found as ImageError;
}

test("sizes beyond the file are refused before anything is allocated", () => {
  const header = readFileSync(join(SAMPLES, "zoo/pipes-data.img")).subarray(0, 8);
  const huge = Buffer.concat([header, Buffer.from([0xff, 0xff, 0xff, 0xff, 1, 2, 3])]);
  const error = assertFails(
    () => parseImage("PIPES_DATA", huge, "pipes-data.img"),
    /4294967295 bytes, but only 3/,
  );
  assert.deepEqual(error.context, { file: "pipes-data.img", record: 0, offset: 12 });
  const record = Buffer.from([0x08, 0x01, 0x10, 0xff, 0xff, 0xff, 0xff, 0x0f]);
  const payload = Buffer.concat([header, Buffer.from([record.length, 0, 0, 0]), record]);
  assertFails(() => parseImage("PIPES_DATA", payload, "pipes-data.img"), /4294967295 bytes, but only 0/);
});

/** `levels` messages of aa_namespace, each in the one before. */
function nestedNamespaces(levels: number): Uint8Array {
  let inner = Buffer.from([0x0a, 0x00]);
  for (let level = 1; level < levels; level++) {
    const size = inner.length;
    inner = Buffer.concat([Buffer.from([0x0a, 0x00, 0x1a, 0x80 | (size & 0x7f), size >> 7]), inner]);
  }
  return inner;
}

test("messages may be nested 64 deep, not deeper", () => {
  assert.equal(decodeProtobuf("aa_namespace", nestedNamespaces(64)).namespaces.length, 1);
  const error = assertFails(
    () => decodeProtobuf("aa_namespace", nestedNamespaces(65)),
    /nested deeper than 64/,
  );
  assert.match(error.context.field!, /^(namespaces\[0\]\.){63}namespaces\[0\]$/);
  assertFails(() => decodeProtobuf("aa_namespace", nestedNamespaces(2000)), /nested deeper than 64/);
  assert.ok(protobufToJson("aa_namespace", nestedNamespaces(64), true, 0).length > 0);
  assertFails(() => protobufToJson("aa_namespace", nestedNamespaces(65), true, 0), /nested deeper than 64/);
});

test("a FlatBuffer whose tables share their children does not multiply", () => {
  const builder = new Builder();
  const name = builder.createByteVector(new Uint8Array(1));
  let child = 0;
  for (let level = 0; level < 40; level++) {
    let vector = 0;
    if (child !== 0) {
      builder.startVector(4, 2, 4);
      builder.addOffset(child);
      builder.addOffset(child);
      vector = builder.endVector();
    }
    builder.startObject(4);
    builder.addFieldOffset(1, name, 0);
    if (vector !== 0) builder.addFieldOffset(3, vector, 0);
    child = builder.endObject();
  }
  builder.finish(child);
  assertFails(() => decodeMessage("aa_namespace", builder.asUint8Array()), /more than 8388608 values/);
  assertFails(() => toProtobuf("aa_namespace", builder.asUint8Array()), /more than 8388608 values/);
});

test("the number of values and the size of a message are bounded, and so is the core's memory", () => {
  const packed = new Uint8Array(9 << 20);
  packed.set([0x6a, 0xfa, 0xff, 0xbf, 0x04]);
  assertFails(() => decodeProtobuf("mm_entry", packed), /more than 8388608 values/);
  const empty = new Uint8Array(20 << 20);
  for (let at = 0; at < empty.length; at += 2) empty[at] = 0x0a;
  assertFails(() => decodeProtobuf("cpuinfo_entry", empty), /missing|more than 8388608 values/);
  assertFails(() => fromProtobuf("task_rlimits_entry", empty), /missing|more than 8388608 values/);
  assertFails(() => decodeProtobuf("mm_entry", new Uint8Array((64 << 20) + 1)), /too large/);
  assertFails(() => decodeMessage("mm_entry", new Uint8Array((128 << 20) + 1)), /too large/);
  // Each empty string, two bytes here, is sixteen there.
  const strings = empty.subarray(0, 16 << 20);
  assertFails(() => fromProtobuf("cg_controller_entry", strings), /too large/);
  assertFails(() => protobufToJson("mm_entry", packed, false, 0), /more than 8388608 values/);
  assertFails(() => protobufToJson("cg_controller_entry", strings, false, 0), /too large/);
  assert.ok(Core.shared().exports.memory.buffer.byteLength <= LIMIT_OF_CORE);
});
