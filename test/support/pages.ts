/** Page content for tests: reproducible, with zero, duplicate, compressible and random pages. */
import assert from "node:assert/strict";

/** Numbers in [0, 1), always the same for one seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function randomBytes(length: number, random: () => number): Uint8Array {
  return Uint8Array.from({ length }, () => random() * 256);
}

/** `count` pages, some zero, some equal to earlier ones, some compressible, some random. */
export function mixedPages(count: number, random: () => number): Uint8Array {
  const content = new Uint8Array(count * 4096);
  for (let page = 0; page < count; page++) {
    const at = page * 4096;
    const choice = random();
    if (choice < 0.25) continue;
    if (choice < 0.5 && page > 0) {
      const earlier = Math.floor(random() * page) * 4096;
      content.copyWithin(at, earlier, earlier + 4096);
    } else if (choice < 0.75) {
      content.fill(1 + random() * 255, at, at + 4096);
      content.set(randomBytes(64, random), at + Math.floor(random() * 4000));
    } else {
      content.set(randomBytes(4096, random), at);
    }
  }
  return content;
}

/** Compares much data without printing it. */
export function assertSameBytes(
  actual: Uint8Array | undefined,
  expected: Uint8Array,
  about = "content",
): void {
  assert.ok(actual, `${about} is there`);
  assert.equal(actual.length, expected.length, `length of ${about}`);
  const different =
    Buffer.compare(actual, expected) === 0 ? -1 : actual.findIndex((byte, at) => byte !== expected[at]);
  assert.equal(different, -1, `${about} differs at byte ${different}`);
}
