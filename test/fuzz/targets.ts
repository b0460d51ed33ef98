/**
 * The decoders. Each takes bytes that mean nothing good and ends with a value or a typed error; what it answers is
 * how far it came, which leads the fuzzer: an input that comes somewhere new is kept and changed further.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CriuWasmError } from "../../ts-host/errors.ts";
import type { MessageName, PagemapEntry } from "../../ts-host/generated/messages.ts";
import { MESSAGES } from "../../ts-host/generated/schema-table.ts";
import type { CheckpointReader } from "../../ts-host/images/checkpoint.ts";
import { encodeMessage, encodeProtobuf, fromProtobuf, toProtobuf } from "../../ts-host/images/codec.ts";
import { CompressedSource, compressEntries } from "../../ts-host/images/criu-compressed.ts";
import { kindOfImage, parseImage, writeImage } from "../../ts-host/images/framing.ts";
import { NativeWriter } from "../../ts-host/images/native.ts";
import { METADATA_NAME } from "../../ts-host/images/native-format.ts";
import { NativeReader } from "../../ts-host/images/native-reader.ts";
import { Core } from "../../ts-host/wasm/core.ts";
import { PortableZstd } from "../../ts-host/wasm/portable-zstd.ts";
import { pagemapFromRows, pagemapToRows, protobufToJson } from "../../ts-host/wasm/transcoder.ts";
import { Zstd } from "../../ts-host/wasm/zstd.ts";
import { MemorySource, memoryFile } from "../support/memory-source.ts";
import { mixedPages, randomNumbers } from "../support/pages.ts";
import { Random } from "../support/random.ts";
import { randomMessage } from "../support/random-messages.ts";
import { resealMetadata, resealPack } from "./forge.ts";

export interface Target {
  name: string;
  /** How many inputs of the cheapest decoder take as long as one of this. */
  cost: number;
  seeds: Uint8Array[];
  /** Throws CriuWasmError, or nothing; else it is a finding. Answers how far it came. */
  run(input: Uint8Array): string;
}

/** The answer, or the words of the error without its numbers. */
function outcome(run: () => string): string {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof CriuWasmError)) throw error;
    return `${error.message.replace(/\d+/g, "#")} ${error.context.field?.replace(/\d+/g, "#") ?? ""}`;
  }
}

const SAMPLES = "test/data/criu-images";
const NAMES = MESSAGES as MessageName[];

function sampleImages(): Uint8Array[] {
  return readdirSync(SAMPLES, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".img") && !entry.name.startsWith("pages-"))
    .map((entry) => new Uint8Array(readFileSync(join(entry.parentPath, entry.name))))
    .filter((bytes) => bytes.length < 4000);
}

const images: Target = {
  name: "image files",
  cost: 3,
  seeds: sampleImages(),
  run: (input) =>
    outcome(() => {
      const kind = kindOfImage(input) ?? "PAGEMAP";
      const records = parseImage(kind, input, "image");
      assert.deepEqual(parseImage(kind, writeImage(kind, records, "image"), "image"), records);
      return `${kind} ${Math.min(records.length, 3)}`;
    }),
};

/** The first two bytes choose the message. */
function chosen(input: Uint8Array): MessageName {
  return NAMES[((input[0] ?? 0) | ((input[1] ?? 0) << 8)) % NAMES.length];
}

function messageSeeds(encode: (name: MessageName, value: never) => Uint8Array): Uint8Array[] {
  return NAMES.map((name, index) => {
    const value = randomMessage(new Random(index), name) as never;
    return Buffer.concat([Uint8Array.of(index & 255, index >> 8), encode(name, value)]);
  });
}

const protobuf: Target = {
  name: "protobuf to FlatBuffers",
  cost: 1,
  seeds: messageSeeds(encodeProtobuf),
  run: (input) =>
    outcome(() => {
      const name = chosen(input);
      const flat = fromProtobuf(name, input.subarray(2)).slice();
      // What was read can be written, and that is read as the same.
      const again = toProtobuf(name, flat).slice();
      assert.deepEqual(toProtobuf(name, fromProtobuf(name, again).slice()), again);
      return name;
    }),
};

/** What is wrong, exactly; undefined: nothing. */
function complaint(run: () => void): object | undefined {
  try {
    run();
  } catch (error) {
    if (!(error instanceof CriuWasmError)) throw error;
    return { message: error.message, ...error.context };
  }
  return undefined;
}

const printing: Target = {
  name: "protobuf to JSON",
  cost: 2,
  seeds: messageSeeds(encodeProtobuf),
  run: (input) =>
    outcome(() => {
      const name = chosen(input);
      const proto = input.subarray(2);
      const print = (bytes: Uint8Array) =>
        Buffer.from(protobufToJson(name, bytes, input.length % 2 === 0, 0)).toString();
      const refusal = complaint(() => fromProtobuf(name, proto));
      assert.deepEqual(
        complaint(() => print(proto)),
        refusal,
      );
      // The same message with its fields in order.
      assert.equal(print(proto), print(toProtobuf(name, fromProtobuf(name, proto).slice()).slice()));
      return name;
    }),
};

const flatBuffers: Target = {
  name: "FlatBuffers to protobuf",
  cost: 1,
  seeds: messageSeeds(encodeMessage),
  run: (input) =>
    outcome(() => {
      const name = chosen(input);
      return `${name} ${toProtobuf(name, input.slice(2)).length > 0}`;
    }),
};

const pagemaps: Target = {
  name: "pagemap entries in bulk",
  cost: 1,
  seeds: [1, 40].map((count) => {
    const rows = new Uint8Array(24 * count);
    for (let row = 0; row < count; row++) rows.set([row, 0, 0, row * 5, 0, 0, 0, 0, row], 24 * row);
    return pagemapFromRows(rows).slice();
  }),
  run: (input) =>
    outcome(() => {
      const { rows, consumed } = pagemapToRows(input);
      assert.deepEqual(pagemapFromRows(rows.slice()).slice(), input.slice(0, consumed));
      return `${rows.length > 0} ${consumed === input.length}`;
    }),
};

const core = Core.load();
const CAPACITY = 1 << 16;
const GUARD = 64;
const source = core.allocate(1 << 17);
const target = core.allocate(CAPACITY + 2 * GUARD);

function lz4Seeds(): Uint8Array[] {
  const pages = mixedPages(24, randomNumbers(40));
  return [0, 1, 13, 100, 4096, 20000, 65536].flatMap((length) =>
    (["lz4Compress", "lz4CompressWords"] as const).map((method) => {
      core.view(source, length).set(pages.subarray(8192, 8192 + length));
      return core.view(target, core.exports[method](source, length, target)).slice();
    }),
  );
}

const lz4: Target = {
  name: "LZ4 blocks",
  cost: 1,
  seeds: lz4Seeds(),
  run(input) {
    const block = input.subarray(0, 1 << 16);
    core.view(source, block.length).set(block);
    const whole = core.view(target, CAPACITY + 2 * GUARD);
    whole.fill(0xa5, 0, GUARD);
    const capacity = (block.length * 37) % CAPACITY;
    whole.fill(0xa5, GUARD + capacity, 2 * GUARD + capacity);
    const length = core.exports.lz4Decompress(source, block.length, target + GUARD, capacity);
    assert.ok(length >= -1 && length <= capacity);
    const untouched = [whole.subarray(0, GUARD), whole.subarray(GUARD + capacity, 2 * GUARD + capacity)];
    assert.ok(
      untouched.every((guard) => guard.every((byte) => byte === 0xa5)),
      "written outside of the buffer",
    );
    return length < 0 ? "no block" : `${Math.floor(Math.log2(length + 1))}`;
  },
};

const zstdCodec = new Zstd(CAPACITY * 2);

function zstdSeeds(): Uint8Array[] {
  const pages = mixedPages(24, randomNumbers(43));
  return [0, 1, 100, 4096, 20000, 65536].map((length) => {
    const frame = new Uint8Array(2 * CAPACITY);
    return frame.slice(0, zstdCodec.compress(pages.subarray(8192, 8192 + length), frame));
  });
}

/** The first four bytes are those of every frame, and are put right. */
function zstdFrames(
  name: string,
  zstd: { decompress(source: Uint8Array, target: Uint8Array): boolean },
): Target {
  const into = new Uint8Array(CAPACITY);
  return {
    name,
    cost: 4,
    seeds: zstdSeeds(),
    run(input) {
      if (input.length > 4) input.set([0x28, 0xb5, 0x2f, 0xfd]);
      const length = (input.length * 37) % CAPACITY;
      const fits = zstd.decompress(input.subarray(0, CAPACITY), into.subarray(0, length));
      return `${fits} ${Math.clz32(length)}`;
    },
  };
}

function readAll(reader: CheckpointReader): string {
  let pages = 0;
  for (const name of reader.list()) reader.read(name);
  for (const id of reader.streams()) {
    const stream = reader.pages(id);
    const count = Math.min(stream.length, 200);
    stream.read(0, count, (view) => {
      pages += view.length / 4096;
    });
    assert.equal(pages, count);
  }
  reader.close();
  return `${reader.list().length} ${Math.min(pages, 3)}`;
}

function nativeFiles(directory: string): Map<string, Uint8Array> {
  const writer = new NativeWriter(directory);
  writer.image({ kind: "FS", id: 7 }, [{ message: { cwd_id: 1, root_id: 2, umask: 0o22 } }]);
  const pages = mixedPages(60, randomNumbers(41));
  writer.pages().append(60, (view, offset) => view.set(pages.subarray(offset, offset + view.length)));
  writer.commit();
  return new Map(
    readdirSync(directory).map((name) => [name, new Uint8Array(readFileSync(join(directory, name)))]),
  );
}

function readNative(files: Map<string, Uint8Array>): string {
  return outcome(() => readAll(new NativeReader(new MemorySource(files))));
}

/** The metadata of a native checkpoint beside its pack, and the pack beside its metadata, with and without forgery. */
export function nativeTargets(directory: string): Target[] {
  const files = nativeFiles(directory);
  const metadata = files.get(METADATA_NAME)!;
  const [packName] = [...files.keys()].filter((name) => name !== METADATA_NAME);
  const seeds = [files.get(packName)!];
  return [
    {
      name: "metadata, forged",
      cost: 10,
      seeds: [metadata],
      run(input) {
        resealMetadata(input);
        return readNative(new Map(files).set(METADATA_NAME, input));
      },
    },
    { name: "page packs", cost: 40, seeds, run: (input) => readNative(new Map(files).set(packName, input)) },
    {
      name: "page packs, forged",
      cost: 50,
      seeds,
      run(input) {
        const forged = metadata.slice();
        resealPack(input, forged);
        return readNative(new Map(files).set(packName, input).set(METADATA_NAME, forged));
      },
    },
  ];
}

function compressedSeed(): { entry: PagemapEntry; pages: Uint8Array } {
  const pages = mixedPages(40, randomNumbers(42));
  const whole = {
    length: 40,
    read: (first: number, count: number, drain: (view: Uint8Array, offset: number) => void) =>
      drain(pages.subarray(first * 4096, (first + count) * 4096), 0),
  };
  const parts: Uint8Array[] = [];
  const plain = { vaddr: 4096n, compat_nr_pages: 0, flags: 4, nr_pages: 40n, compressed_size: [] };
  const work = compressEntries([plain], whole, 4, (bytes) => parts.push(bytes.slice()));
  let step = work.next();
  while (!step.done) step = work.next();
  const [entry] = step.value;
  return { entry, pages: Buffer.concat(parts) };
}

/** First a pagemap entry, as protobuf, then the pages that it describes. */
function compressed(): Target {
  const { entry, pages } = compressedSeed();
  const proto = encodeProtobuf("pagemap_entry", entry).slice();
  return {
    name: "CRIU's compressed pages",
    cost: 6,
    seeds: [Buffer.concat([Uint8Array.of(proto.length), proto, pages])],
    run: (input) =>
      outcome(() => {
        const split = 1 + (input[0] ?? 0);
        const records = Buffer.concat([Uint8Array.of(split - 1, 0, 0, 0), input.subarray(1, split)]);
        const header = writeImage("PAGEMAP", [{ message: { pages_id: 1 } }], "pagemap");
        const [, read] = parseImage("PAGEMAP", Buffer.concat([header, records]), "pagemap");
        const stream = new CompressedSource(memoryFile("pages", input.subarray(split)), [
          read.message as PagemapEntry,
        ]);
        stream.read(0, Math.min(stream.length, 200), () => {});
        return `${Math.min(stream.length, 50)}`;
      }),
  };
}

/** All of them; `directory`: where a checkpoint to begin with may be made. */
export function targets(directory: string): Target[] {
  return [
    images,
    protobuf,
    printing,
    flatBuffers,
    pagemaps,
    lz4,
    zstdFrames("zstd frames", zstdCodec),
    zstdFrames("zstd frames in a browser", new PortableZstd()),
    compressed(),
    ...nativeTargets(directory),
  ];
}
