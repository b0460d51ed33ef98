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

test("a name does not break the line, nor reach the terminal as anything but text", () => {
  const error = new UnsupportedError("x", { pid: 1, comm: "a\nb\u001b[2J\u007f" });
  assert.equal(describe(error), "pid 1 (a\\nb\\u001b[2J\\u007f): x");
});

test("context that is already known is kept", () => {
  const error = new UnsupportedError("x", { pid: 1 }).within({ pid: 2, comm: "a" });
  assert.deepEqual(error.context, { pid: 1, comm: "a" });
});
