/** Lists of mappings that no process can have are refused, by file and field, before anything is made of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RestoreTask } from "../../../ts-host/engine/restore-task.ts";
import { describe } from "../../../ts-host/errors.ts";
import type { VmaEntry } from "../../../ts-host/generated/messages.ts";
import { VMA_ANON_PRIVATE, VMA_GUARD, VMA_REGULAR } from "../../../ts-host/kinds/memory/vma.ts";
import { checkMemory } from "../../../ts-host/kinds/memory/well-formed.ts";

const MIB = 1n << 20n;

function mapping(start: bigint, end: bigint, status = VMA_REGULAR | VMA_ANON_PRIVATE): VmaEntry {
  return { start, end, pgoff: 0n, shmid: 0n, prot: 3, flags: 0x22, status, fd: -1n };
}

/** A task with these mappings and, at `pages`, one run of content. */
function taskWith(vmas: VmaEntry[], pages?: { vaddr: bigint; nr_pages: bigint }): RestoreTask {
  const entries = pages ? [{ message: { ...pages, flags: 4, compat_nr_pages: 0, compressed_size: [] } }] : [];
  const reader = {
    read: () => [{ message: { pages_id: 1 } }, ...entries],
    has: () => true,
    pages: () => ({ length: Number(pages?.nr_pages ?? 0n) }),
  };
  return { pid: 7, mm: { vmas, mm_saved_auxv: [] }, context: { reader } } as unknown as RestoreTask;
}

function refusal(task: RestoreTask): string {
  try {
    checkMemory(task);
  } catch (error) {
    return describe(error);
  }
  return assert.fail("it was accepted");
}

test("neighbours, and guards inside of mappings, are in order", () => {
  const vmas = [mapping(MIB, 2n * MIB), mapping(2n * MIB, 3n * MIB), mapping(MIB, MIB + 4096n, VMA_GUARD)];
  checkMemory(taskWith(vmas, { vaddr: MIB, nr_pages: 512n }));
});

test("mappings that cannot be", () => {
  const second = (vma: VmaEntry) => refusal(taskWith([mapping(MIB, 2n * MIB), vma]));
  assert.equal(
    second(mapping(2n * MIB - 4096n, 3n * MIB)),
    "mm-7.img, field vmas[1]: mapping 0x1ff000-0x300000 overlaps the one before it",
  );
  assert.match(second(mapping(2n * MIB + 1n, 3n * MIB)), /vmas\[1\].*does not begin and end with a page/);
  assert.match(second(mapping(3n * MIB, 3n * MIB)), /ends before it begins/);
  assert.match(second(mapping(3n * MIB, 1n << 48n)), /ends beyond what a task can have/);
});

test("content that belongs nowhere", () => {
  const task = taskWith([mapping(MIB, 2n * MIB)], { vaddr: 2n * MIB - 8192n, nr_pages: 5n });
  assert.equal(refusal(task), "pagemap-7.img: 3 pages lie in no private mapping");
});
