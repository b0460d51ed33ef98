/** The pages of a checkpoint go by a watcher as fast as they would without it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { watchedWriter } from "../../ts-host/cli/watched.ts";
import type { CheckpointWriter, PageSink } from "../../ts-host/images/checkpoint.ts";

function writerOf(sink: PageSink): CheckpointWriter {
  return { image() {}, pages: () => sink, commit() {}, abort() {} };
}

test("a writer that takes pages directly does so when it is watched, step by step", () => {
  const put: number[] = [];
  const steps: [number, number][] = [];
  const sink = { id: 1, append() {}, appendDirectly: (count: number) => void put.push(count) };
  const watched = watchedWriter(writerOf(sink), (done, total) => void steps.push([done, total])).pages(1);
  watched.appendDirectly!(2, () => {});
  watched.appendDirectly!(3, () => {});
  assert.deepEqual(put, [2, 3]);
  assert.deepEqual(steps, [
    [0, 2 * 4096],
    [2 * 4096, 5 * 4096],
  ]);
});

test("one that does not is not said to", () => {
  const watched = watchedWriter(writerOf({ id: 1, append() {} }), () => {}).pages(1);
  assert.equal(watched.appendDirectly, undefined);
});
