/**
 * Restore on a kernel whose vDSO is another one. There is no other kernel here, so the checkpoint is changed:
 * its vDSO has every function somewhere else, the task calls them there, and where this kernel has them are
 * traps.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { CheckpointReader } from "../../ts-host/images/checkpoint.ts";
import { openCheckpoint } from "../../ts-host/images/open.ts";
import { vdsoSymbols } from "../../ts-host/kinds/memory/vdso-symbols.ts";
import { is, VMA_VDSO } from "../../ts-host/kinds/memory/vma.ts";
import { mustRun, startVictim } from "../support/victim.ts";
import { victims } from "./catalogue.ts";

const PAGE = 4096n;
const TRAP = 0xcc;
/** Room for a function's new place: these are at the end of the vDSO, where nothing is. */
const PLACE = 32;
/** Type of a symbol, after which its value comes. */
const FUNCTION = 2;

/** Where in the file of pages the page at `address` is. */
function offsetOf(reader: CheckpointReader, pid: number, address: bigint): number {
  let offset = 0n;
  for (const { message } of reader.read({ kind: "PAGEMAP", id: pid })) {
    if (!("vaddr" in message)) continue;
    const { vaddr, nr_pages = 0n } = message;
    if (address >= vaddr && address < vaddr + nr_pages * PAGE) return Number(offset + address - vaddr);
    offset += nr_pages * PAGE;
  }
  throw new Error(`no page at 0x${address.toString(16)} in the checkpoint`);
}

/** Gives each symbol with the value `old` another value; the symbols are before the code, which begins at `code`. */
function moveSymbols(vdso: Buffer, code: number, old: number, fresh: number): void {
  for (let at = 8; at < code; at += 8) {
    const isFunction = (vdso.readUInt8(at - 4) & 15) === FUNCTION;
    if (isFunction && vdso.readBigUInt64LE(at) === BigInt(old)) vdso.writeBigUInt64LE(BigInt(fresh), at);
  }
}

/** Has every pointer in `pages` that holds `old` hold `fresh`; how many there were. */
function movePointers(pages: Buffer, old: bigint, fresh: bigint): number {
  let count = 0;
  const word = Buffer.alloc(8);
  word.writeBigUInt64LE(old);
  for (let at = pages.indexOf(word); at >= 0; at = pages.indexOf(word, at + 1)) {
    pages.writeBigUInt64LE(fresh, at);
    count++;
  }
  return count;
}

function moveFunctions(images: string, pid: number): void {
  const reader = openCheckpoint(images);
  const mapping = reader.read({ kind: "MM", id: pid })[0]!.message.vmas.find((vma) => is(vma, VMA_VDSO))!;
  const file = join(images, "pages-1.img");
  const pages = readFileSync(file);
  const start = offsetOf(reader, pid, mapping.start);
  reader.close();
  const vdso = pages.subarray(start, start + Number(mapping.end - mapping.start));
  const places = [...new Set(vdsoSymbols(vdso).values())].sort((a, b) => a - b);
  let pointers = 0;
  places.forEach((old, index) => {
    const fresh = vdso.length - (index + 1) * PLACE;
    moveSymbols(vdso, places[0]!, old, fresh);
    vdso.fill(TRAP, old, old + PLACE);
    pointers += movePointers(pages, mapping.start + BigInt(old), mapping.start + BigInt(fresh));
  });
  assert.ok(pointers > 0, "the victim has resolved no function of the vDSO");
  writeFileSync(file, pages);
}

test("calls work at the places where another kernel's vDSO had them, also when dumped again", async (t) => {
  const entry = victims.find(({ name }) => name === "vdso")!;
  const victim = await startVictim(t, { ...entry, args: ["moved"] });
  if (victim === undefined) return;
  for (const round of ["moved", "again"]) {
    const images = join(victim.dir, round);
    await mustRun(["dump", "-t", `${victim.pid}`, "-D", images, "--format", "criu"], victim.dir);
    await victim.waitGone();
    if (round === "moved") moveFunctions(images, victim.pid);
    await mustRun(["restore", "-d", "-D", images], victim.dir);
  }
  victim.go();
  await victim.expectPass();
});
