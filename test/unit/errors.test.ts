import assert from "node:assert/strict";
import { test } from "node:test";
import { describe, UnsupportedError } from "../../ts-host/errors.ts";

test("an error names phase, task, fd and kind in one line", () => {
  const error = new UnsupportedError("not supported yet", {
    phase: "dump",
    pid: 812,
    comm: "redis-server",
    fd: 7,
    kind: "io_uring instance",
  });
  assert.equal(describe(error), "dump: pid 812 (redis-server), fd 7, io_uring instance: not supported yet");
});

test("context that is already known is kept", () => {
  const error = new UnsupportedError("x", { pid: 1 }).within({ pid: 2, comm: "a" });
  assert.deepEqual(error.context, { pid: 1, comm: "a" });
});
