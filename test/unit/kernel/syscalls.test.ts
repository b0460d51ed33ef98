import assert from "node:assert/strict";
import { constants } from "node:os";
import { test } from "node:test";
import { ERRNO, errnoName } from "../../../ts-host/kernel/errno.ts";
import { SYS, syscallName } from "../../../ts-host/kernel/syscalls.ts";
import { compiler, macrosOf } from "./c-values.ts";

test("system calls and their numbers are named both ways", () => {
  assert.equal(SYS.mmap, 9);
  assert.equal(SYS.clone3, 435);
  assert.equal(syscallName(231), "exit_group");
  assert.equal(syscallName(9999), "syscall_9999");
  const numbers = Object.values(SYS);
  assert.equal(new Set(numbers).size, numbers.length);
});

test("the system call table is that of the system's headers", (t) => {
  const cc = compiler();
  if (!cc) return t.skip("no C compiler for x86-64 Linux");
  const header = new Map<string, number>();
  for (const [name, value] of macrosOf(cc, "asm/unistd_64.h")) {
    if (name.startsWith("__NR_")) header.set(name.slice(5), Number(value));
  }
  assert.ok(header.size > 300);
  for (const [name, number] of header) {
    // Newer headers may know more than 6.18 does.
    if (number <= SYS.file_setattr) assert.equal((SYS as Record<string, number>)[name], number, name);
  }
});

test("errors are named, whichever sign they come with", () => {
  assert.equal(errnoName(1), "EPERM");
  assert.equal(errnoName(-22n), "EINVAL");
  assert.equal(errnoName(-516n), "ERESTART_RESTARTBLOCK");
  assert.equal(errnoName(4000), "errno 4000");
});

test("error numbers are those of the system", (t) => {
  if (process.platform !== "linux" || process.arch !== "x64") return t.skip("not x86-64 Linux");
  for (const [name, number] of Object.entries(ERRNO)) {
    const known = (constants.errno as Record<string, number>)[name];
    if (known !== undefined) assert.equal(number, known, name);
  }
});
