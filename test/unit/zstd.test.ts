import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { packageFile } from "../../ts-host/assets.ts";
import { AS_IT_IS, type Method, PageUnpacker, RegionSealer, ZSTD } from "../../ts-host/wasm/pages.ts";
import { PortableZstd } from "../../ts-host/wasm/portable-zstd.ts";
import { checksum } from "../../ts-host/wasm/sums.ts";
import { ZSTD_NAMES, Zstd } from "../../ts-host/wasm/zstd.ts";
import { mixedPages, randomBytes, randomNumbers } from "../support/pages.ts";

const REGION = 16 * 4096;

function seal(pages: Uint8Array, method: Method = "zstd") {
  const sealer = new RegionSealer(REGION, method);
  sealer.input.set(pages);
  const region = sealer.sealInput(pages.length);
  return { region, bytes: sealer.output.slice() };
}

test("the names in the compiled module are those that its own loader gives them", () => {
  const loader = readFileSync(packageFile("node_modules/@bokuweb/zstd-wasm/dist/web/zstd.js"), "utf8");
  for (const [name, minified] of Object.entries(ZSTD_NAMES)) {
    if (name === "memory") assert.match(loader, new RegExp(`wasmMemory = wasmExports\\['${minified}'\\]`));
    else if (name === "initialise")
      assert.match(loader, new RegExp(`addOnInit\\(wasmExports\\['${minified}'\\]`));
    else assert.match(loader, new RegExp(`Module\\['_${name}'\\] = wasmExports\\['${minified}'\\]`));
  }
});

test("a region is a frame that the command zstd reads", (t) => {
  const { status } = spawnSync("zstd", ["--version"]);
  if (status !== 0) return t.skip("needs the command zstd");
  const pages = mixedPages(16, randomNumbers(51));
  const { region, bytes } = seal(pages);
  assert.equal(region.encoding, ZSTD);
  const { stdout } = spawnSync("zstd", ["-dc"], { input: bytes, maxBuffer: 1 << 20 });
  assert.ok(stdout.equals(pages));
});

test("it takes less room than LZ4, and the same pages always become the same bytes", () => {
  const pages = mixedPages(16, randomNumbers(52));
  const { bytes } = seal(pages);
  assert.ok(bytes.length < seal(pages, "lz4").bytes.length);
  assert.deepEqual(seal(pages).bytes, bytes);
});

test("what does not become smaller stays as it is", () => {
  const pages = randomBytes(REGION, randomNumbers(53));
  const { region, bytes } = seal(pages);
  assert.equal(region.encoding, AS_IT_IS);
  assert.deepEqual(bytes, pages);
});

for (const [where, zstd] of [
  ["under Node", new Zstd(4 * REGION)],
  ["in a browser", new PortableZstd()],
] as const) {
  test(`a damaged frame is refused, and what is next is read all the same: ${where}`, () => {
    const pages = mixedPages(16, randomNumbers(54));
    const { bytes } = seal(pages);
    const target = new Uint8Array(REGION);
    const random = randomNumbers(55);
    let refused = 0;
    for (let round = 0; round < 400; round++) {
      const bad = bytes.slice(0, round % 3 === 0 ? Math.floor(random() * bytes.length) : bytes.length);
      for (let change = 0; change < 1 + random() * 4 && bad.length > 0; change++)
        bad[Math.floor(random() * Math.min(bad.length, round % 2 ? 64 : bad.length))] = random() * 256;
      if (!zstd.decompress(bad, target)) refused++;
    }
    assert.ok(refused > 100, `${refused} refused`);
    assert.ok(zstd.decompress(bytes, target));
    assert.deepEqual(target, pages);
  });

  test(`a frame of another length than its region, and bytes behind a frame, are refused: ${where}`, () => {
    for (const pages of [mixedPages(16, randomNumbers(56)), new Uint8Array(REGION).fill(7)]) {
      const { bytes } = seal(pages);
      for (const length of [REGION - 4096, REGION - 1, REGION + 4096])
        assert.ok(!zstd.decompress(bytes, new Uint8Array(length)), `${length}`);
      assert.ok(!zstd.decompress(Buffer.concat([bytes, Buffer.of(0)]), new Uint8Array(REGION)));
    }
  });
}

test("a frame with the checksum of its damage is refused by what it is", () => {
  const { region, bytes } = seal(mixedPages(16, randomNumbers(57)));
  const unpacker = new PageUnpacker();
  const slot = unpacker.slot(0);
  unpacker.stage(slot, region.stored, REGION).set(bytes);
  assert.equal(unpacker.open(slot, region, REGION), undefined);
  bytes[3] ^= 1;
  unpacker.stage(slot, region.stored, REGION).set(bytes);
  assert.equal(unpacker.open(slot, region, REGION), "checksum differs");
  const forged = { ...region, checksum: checksum(bytes) };
  unpacker.stage(slot, forged.stored, REGION).set(bytes);
  assert.equal(unpacker.open(slot, forged, REGION), "malformed zstd frame");
});
