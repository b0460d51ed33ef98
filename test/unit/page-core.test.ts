import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { Core } from "../../ts-host/wasm/core.ts";
import { sha256 } from "../../ts-host/wasm/sums.ts";
import { assertSameBytes, mixedPages, randomBytes, randomNumbers } from "../support/pages.ts";

const core = Core.load();
const source = core.allocate(1 << 18);
const target = core.allocate(1 << 19);

function put(pointer: number, bytes: Uint8Array): void {
  core.view(pointer, bytes.length).set(bytes);
}

function xxh64(bytes: Uint8Array, seed = 0n): string {
  put(source, bytes);
  return BigInt.asUintN(64, core.exports.xxh64(source, bytes.length, seed))
    .toString(16)
    .padStart(16, "0");
}

type Compressor = "lz4Compress" | "lz4CompressWords";
const COMPRESSORS: Compressor[] = ["lz4Compress", "lz4CompressWords"];

/** Compresses between guard bytes, which must stay. */
function compress(bytes: Uint8Array, compressor: Compressor = "lz4Compress"): Uint8Array {
  put(source, bytes);
  const bound = core.exports.lz4Bound(bytes.length);
  const whole = core.view(target, bound + 64);
  whole.fill(0xa5);
  const length = core.exports[compressor](source, bytes.length, target + 32);
  const guards = [whole.subarray(0, 32), whole.subarray(32 + bound)];
  assert.ok(length <= bound && guards.every((guard) => guard.every((byte) => byte === 0xa5)));
  return whole.slice(32, 32 + length);
}

/** Decompresses between guard bytes, which must stay. */
function decompress(block: Uint8Array, capacity: number): Uint8Array | undefined {
  put(source, block);
  const whole = core.view(target, capacity + 64);
  whole.fill(0xa5);
  const length = core.exports.lz4Decompress(source, block.length, target + 32, capacity);
  const guards = [whole.subarray(0, 32), whole.subarray(32 + capacity)];
  assert.ok(
    guards.every((guard) => guard.every((byte) => byte === 0xa5)),
    "written outside of the buffer",
  );
  return length < 0 ? undefined : whole.slice(32, 32 + length);
}

test("XXH64 gives the values of xxhash's own library", () => {
  const bytes = (length: number) => Uint8Array.from({ length }, (_, index) => index * 7);
  assert.equal(xxh64(Buffer.from("abc")), "44bc2cf5ad770999");
  assert.equal(xxh64(bytes(0), 1n), "d5afba1336a3be4b");
  assert.equal(xxh64(bytes(4096), 0x9e3779b97f4a7c15n), "b48e448cd5791902");
  const expected: [number, string][] = [
    [0, "ef46db3751d8e999"],
    [1, "e934a84adb052768"],
    [3, "9ff70a635a6209ab"],
    [4, "ae5acdc00a55ac41"],
    [7, "d734a6b26f3da63e"],
    [8, "87116b3365b924eb"],
    [31, "0f187c62b1e722b7"],
    [32, "91b0cb0931a8c629"],
    [33, "931b043cf8d65b94"],
    [63, "219110bf13e2fa26"],
    [64, "bf3052e3445775d0"],
    [255, "29037d30c0136af3"],
    [4096, "c8066d80a6fe1426"],
  ];
  for (const [length, hash] of expected) assert.equal(xxh64(bytes(length)), hash, `${length} bytes`);
});

test("SHA-256 is Node's, at every length around a block and in pieces of any", () => {
  const bytes = randomBytes(300 << 10, randomNumbers(256));
  const lengths = [...Array(200).keys(), 64 << 10, (64 << 10) + 55, bytes.length];
  for (const length of lengths) {
    const part = bytes.subarray(0, length);
    assertSameBytes(sha256(part), createHash("sha256").update(part).digest());
  }
});

test("blocks that liblz4 wrote are decompressed, at every distance", () => {
  const vectors: [string, string][] = [
    ["", "00"],
    ["aaaaa", "506161616161"],
    ["a".repeat(1000), "1f610100ffffffd2506161616161"],
    [`${"abcd".repeat(50)}xyz`, "4f616263640400af50636478797a"],
    [
      "checkpoint and restore of checkpoint and restore of a process, restore of a checkpoint",
      "ff0b636865636b706f696e7420616e6420726573746f7265206f66201a0007a8612070726f636573732c3000c0612063686563" +
        "6b706f696e74",
    ],
  ];
  for (const [text, block] of vectors) {
    assert.equal(Buffer.from(decompress(Buffer.from(block, "hex"), 2000)!).toString(), text);
  }
  const repeated = [
    "1f0101000f500101010101",
    "2f0102020036500201020102",
    "3f010203030046500301020301",
    "4f01020304040045500102030401",
    "5f0102030405050044500304050102",
    "6f010203040506060043500304050601",
    "7f01020304050607070042500203040506",
    "8f0102030405060708080041500506070801",
    "9f010203040506070809090040500304050607",
    "af0102030405060708090a0a003f500304050607",
    "bf0102030405060708090a0b0b003e500506070809",
    "cf0102030405060708090a0b0c0c003d50090a0b0c01",
    "df0102030405060708090a0b0c0d0d003c500203040506",
    "ef0102030405060708090a0b0c0d0e0e003b50090a0b0c0d",
    "ff000102030405060708090a0b0c0d0e0f0f003a500304050607",
    "ff010102030405060708090a0b0c0d0e0f10100039500d0e0f1001",
    "ff020102030405060708090a0b0c0d0e0f10111100385008090a0b0c",
  ];
  repeated.forEach((block, index) => {
    const length = Math.min(97, 40 * (index + 1));
    const expected = Uint8Array.from({ length }, (_, at) => (at % (index + 1)) + 1);
    for (const capacity of [length, length + 7, length + 40]) {
      assertSameBytes(decompress(Buffer.from(block, "hex"), capacity), expected, `distance ${index + 1}`);
    }
  });
});

for (const compressor of COMPRESSORS) {
  test(`what ${compressor} writes comes back, whatever its length and content`, () => {
    const random = randomNumbers(1);
    const pages = mixedPages(48, random);
    for (let round = 0; round < 600; round++) {
      const length = round < 100 ? round : Math.floor(random() * (round % 10 ? 65537 : 150000));
      const start = Math.floor(random() * (pages.length - length));
      const bytes = pages.subarray(start, start + length);
      const block = compress(bytes, compressor);
      assertSameBytes(decompress(block, length), bytes);
      if (length > 0)
        assert.equal(decompress(block, length - 1), undefined, "one byte too many for the buffer");
    }
  });

  test(`${compressor} obeys the end conditions of the format, and its bound`, () => {
    const zeros = Buffer.from(compress(new Uint8Array(40), compressor));
    assert.ok(zeros.toString("hex").endsWith(`50${"00".repeat(5)}`));
    assert.equal(
      Buffer.from(compress(new Uint8Array(12), compressor)).toString("hex"),
      `c0${"00".repeat(12)}`,
    );
    const noise = randomBytes(65536, randomNumbers(2));
    assert.ok(compress(noise, compressor).length >= 65536);
  });
}

test("up to 64 KiB, a block is the one that liblz4 writes", () => {
  assert.equal(Buffer.from(compress(new Uint8Array(13))).toString("hex"), `1300010050${"00".repeat(5)}`);
  const text = "checkpoint and restore of checkpoint and restore of a process, restore of a checkpoint";
  assert.equal(
    Buffer.from(compress(Buffer.from(text))).toString("hex"),
    "ff0b636865636b706f696e7420616e6420726573746f7265206f66201a0007a8612070726f636573732c3000c0612063686563" +
      "6b706f696e74",
  );
});

test("memory is compressed by words about as well as by bytes", () => {
  const bytes = new Uint8Array(65536);
  const words = new DataView(bytes.buffer);
  const random = randomNumbers(9);
  for (let at = 0; at < bytes.length; at += 8) {
    const heap = 0x7f3a_0000_0000n + BigInt(Math.floor(random() * 65536) * 16);
    words.setBigUint64(at, random() < 0.5 ? heap : BigInt(Math.floor(random() * 100)), true);
  }
  const [byBytes, byWords] = COMPRESSORS.map((compressor) => compress(bytes, compressor).length);
  assert.ok(byWords < 1.2 * byBytes, `${byWords} bytes, not ${byBytes}`);
});

test("no damaged LZ4 block leads outside of the buffers or to a hang", () => {
  const bad = [
    "",
    "10",
    "f0",
    "f0ffffffff",
    `f0${"ff".repeat(100)}`,
    "1f6100",
    "1f610000",
    "1f610200",
    "1f610100",
    "1f6101005061616161",
    `1f610100${"ff".repeat(200)}`,
    "0f010000",
  ];
  for (const block of bad) assert.equal(decompress(Buffer.from(block, "hex"), 4096), undefined, block);
  const random = randomNumbers(3);
  const pages = mixedPages(8, random);
  for (let round = 0; round < 5000; round++) {
    const length = 1 + Math.floor(random() * 3000);
    const start = Math.floor(random() * (pages.length - length));
    const block = round % 2 ? compress(pages.subarray(start, start + length))! : randomBytes(length, random);
    for (let change = 0; change < 3; change++) block[Math.floor(random() * block.length)] = random() * 256;
    decompress(block.subarray(0, 1 + Math.floor(random() * block.length)), Math.floor(random() * 4096));
  }
});

test("a page is zero only if all of its bytes are", () => {
  put(source, new Uint8Array(4096));
  assert.ok(core.exports.isZeroPage(source));
  for (let at = 0; at < 4096; at++) {
    core.view(source + at, 1)[0] = 1;
    assert.ok(!core.exports.isZeroPage(source), `byte ${at}`);
    core.view(source + at, 1)[0] = 0;
  }
});

/** The definition of the page hash, word by word. */
function referenceHash(page: Uint8Array, key: Uint8Array): bigint[] {
  const words = new Uint32Array(page.slice().buffer);
  const secret = new Uint32Array(key.slice().buffer);
  return [0, 1, 2].map((pass) => {
    let sum = 0n;
    for (let at = 0; at < 1024; at += 8) {
      for (let lane = at; lane < at + 4; lane++) {
        const left = (words[lane] + secret[lane + 8 * pass]) >>> 0;
        const right = (words[lane + 4] + secret[lane + 4 + 8 * pass]) >>> 0;
        sum += BigInt(left) * BigInt(right);
      }
    }
    return BigInt.asUintN(64, sum);
  });
}

test("the page hash is NH with three Toeplitz passes, and depends on the key", () => {
  const random = randomNumbers(4);
  const key = randomBytes(4096 + 64, random);
  put(core.exports.hashKey() >>> 0, key);
  const page = randomBytes(4096, random);
  const hash = (bytes: Uint8Array) => {
    put(source, bytes);
    core.exports.pageHashes(source, 1, target);
    return [...new BigUint64Array(core.view(target, 24).slice().buffer)];
  };
  assert.deepEqual(hash(page), referenceHash(page, key));
  const ones = new Uint8Array(4096).fill(255);
  assert.deepEqual(hash(ones), referenceHash(ones, key));
  const before = hash(page);
  put(core.exports.hashKey() >>> 0, randomBytes(4096 + 64, random));
  assert.notDeepEqual(hash(page), before);
});
