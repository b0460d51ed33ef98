import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { CoreEntryMarch } from "../../ts-host/generated/messages.ts";
import { createCheckpoint } from "../../ts-host/images/create.ts";
import { CriuWriter } from "../../ts-host/images/criu.ts";
import { openCheckpoint } from "../../ts-host/images/open.ts";
import {
  EM_AARCH64,
  EM_X86_64,
  NT_AUXV,
  NT_FILE,
  NT_PRFPREG,
  NT_PRPSINFO,
  NT_PRSTATUS,
} from "../../ts-host/kernel/abi/elf.ts";
import { convert } from "../../ts-host/offline/convert.ts";
import { openDirectory } from "../../ts-host/offline/node.ts";
import { readCore } from "../support/elf.ts";
import { assertSameBytes } from "../support/pages.ts";
import { compileProgram, hasProgram, startProgram } from "../support/program.ts";
import { SAMPLES, sampleDirectory, temporaryDirectory } from "../support/samples.ts";
import { runCli, waitFor } from "../support/victim.ts";

async function coreOf(t: TestContext, directory: string, pid: number): Promise<string> {
  const file = join(temporaryDirectory(t), `core.${pid}`);
  const { status, stderr } = await runCli(["core", "-D", directory, "--pid", `${pid}`, "-o", file]);
  assert.equal(status, 0, stderr);
  return file;
}

for (const sample of readdirSync(SAMPLES)) {
  test(`every stored byte and every thread of ${sample} is in the core file`, async (t) => {
    const directory = sampleDirectory(t, sample);
    const checkpoint = openDirectory(directory);
    for (const process of checkpoint.processes.filter(({ hasResources }) => hasResources)) {
      const { machine, notes, segments } = readCore(await coreOf(t, directory, process.pid));
      assert.equal(machine, EM_X86_64);
      const statuses = notes.filter(({ type }) => type === NT_PRSTATUS).map(({ content }) => content);
      assert.deepEqual(
        statuses.map((content) => content.readInt32LE(32)),
        process.tids,
      );
      for (const [index, thread] of process.threads.entries()) {
        // pr_reg begins at 112; rip is word 16 of it, rsp word 19.
        assert.equal(statuses[index].readBigUInt64LE(112 + 16 * 8), thread.instructionPointer);
        assert.equal(statuses[index].readBigUInt64LE(112 + 19 * 8), thread.stackPointer);
      }
      assert.equal(notes.filter(({ type }) => type === NT_PRFPREG).length, process.tids.length);
      const auxv = notes.find(({ type }) => type === NT_AUXV)!.content;
      assert.equal(auxv.length, process.mm!.mm_saved_auxv.length * 8 + 16);
      const info = notes.find(({ type }) => type === NT_PRPSINFO)!.content;
      assert.equal(info.subarray(40, 40 + process.name.length).toString(), process.name);

      for (const { start, end, content } of process.memory.pieces()) {
        const segment = segments.find(({ address, size }) => address <= start && end <= address + size);
        assert.ok(segment, `a segment holds ${start.toString(16)}`);
        if (content.is === "outside") assert.equal(segment.content.length, 0);
        if (content.is !== "stored") continue;
        const offset = Number(start - segment.address);
        assertSameBytes(
          segment.content.subarray(offset, offset + Number(end - start)),
          process.memory.read(start, Number(end - start)),
          start.toString(16),
        );
      }
    }
    checkpoint.close();
  });
}

test("mapped files are listed with their addresses and offsets", async (t) => {
  const { notes } = readCore(await coreOf(t, sampleDirectory(t, "loop-dynamic"), 7411));
  const { content } = notes.find(({ type }) => type === NT_FILE)!;
  const count = Number(content.readBigUInt64LE(0));
  assert.equal(content.readBigUInt64LE(8), 4096n);
  const names = content
    .subarray(16 + count * 24)
    .toString()
    .split("\0");
  assert.equal(names[0], "/srv/demo/loop-dyn");
  assert.deepEqual(
    [16, 24, 32].map((at) => content.readBigUInt64LE(at)),
    [0x55b636c5a000n, 0x55b636c5b000n, 0n],
  );
  assert.equal(names[5], "/usr/lib/x86_64-linux-gnu/libc.so.6");
});

test("what cannot be a core file is refused, and leaves no file", async (t) => {
  const folder = temporaryDirectory(t);
  const directory = sampleDirectory(t, "zoo");
  const ask = (pid: string) => runCli(["core", "-D", directory, "--pid", pid, "-o", join(folder, "core")]);
  const zombie = await ask("7484");
  assert.equal(zombie.status, 1);
  assert.match(zombie.stderr, /core: pid 7484: a zombie has no memory and no registers/);
  assert.match((await ask("1")).stderr, /no process 1 in this checkpoint \(it has 7478, 7483, 7485, 7484\)/);
  writeFileSync(
    join(directory, "pages-3.img"),
    readFileSync(join(directory, "pages-3.img")).subarray(0, 4096),
  );
  assert.match((await ask("7478")).stderr, /pages-3\.img: pages \d+ to \d+ are not in the file of 1 pages/);
  assert.deepEqual(readdirSync(folder), []);
});

function gdb(program: string, file: string, core: string, commands: string[]): string {
  const args = [
    "-nx",
    "-batch",
    "-ex",
    "set print repeats 0",
    ...commands.flatMap((command) => ["-ex", command]),
  ];
  return execFileSync(program, [...args, file, core], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
}

/** Compiles the program and dumps it, still running, in the native format; undefined, and skipped, where that cannot be. */
async function dumpDebuggee(
  t: TestContext,
  neededProgram: string,
): Promise<{ directory: string; program: string; pid: number } | undefined> {
  if (!hasProgram(neededProgram)) {
    t.skip(`needs ${neededProgram}`);
    return undefined;
  }
  const folder = temporaryDirectory(t);
  const program = compileProgram(t, "debuggee.c", folder);
  if (program === undefined) return undefined;
  const output = join(folder, "output");
  const pid = startProgram(t, program, [], output);
  await waitFor(
    () => "the program is ready",
    () => readFileSync(output, "utf8").includes("READY"),
  );
  const directory = join(folder, "native");
  const { status, stderr } = await runCli(["dump", "-t", `${pid}`, "-D", directory, "-R"]);
  assert.equal(status, 0, stderr);
  return { directory, program, pid };
}

test("gdb opens it: backtrace, memory, threads, vector registers", async (t) => {
  const dumped = await dumpDebuggee(t, "gdb");
  if (dumped === undefined) return;
  const { directory, program, pid } = dumped;
  const criu = join(temporaryDirectory(t), "criu");
  convert(openCheckpoint(directory), createCheckpoint(criu, "criu"));
  for (const each of [directory, criu]) {
    const said = gdb("gdb", program, await coreOf(t, each, pid), [
      "bt",
      "info threads",
      "p answer",
      "p *list",
      "p list->next->next->text",
      "p/c $xmm7.v16_int8",
      "thread apply all -q p mine",
      "thread apply all -q frame function work",
      "info auxv",
    ]);
    const frames = [...said.matchAll(/^#\d+ .* in (descend|main) \((.*)\) at/gm)].map(
      ([, name, args]) => `${name}(${args})`,
    );
    assert.deepEqual(
      frames.map((frame) => frame.replace(/0x[0-9a-f]+ /, "")),
      [
        'descend(depth=0, name="deep")',
        'descend(depth=1, name="deep")',
        'descend(depth=2, name="deep")',
        'descend(depth=3, name="deep")',
        "main()",
      ],
    );
    assert.match(said, /^#0 .*wait_for_ever \(\)/m);
    assert.equal(said.match(/LWP \d+\)\)?\s+0x/g)?.length, 4, said);
    assert.match(said, /\$1 = 4711/);
    assert.match(said, /\$2 = \{number = 2, next = 0x[0-9a-f]+, text = "node 2/);
    assert.match(said, /\$3 = "node 0/);
    assert.match(said, /105 'i', 110 'n', 32 ' ', 97 'a', 32 ' ', 114 'r'/);
    for (const number of [70, 71, 72])
      assert.match(said, new RegExp(`work \\(argument=0x${number.toString(16)}\\)`));
    assert.match(said, /AT_EXECFN .*debuggee"/);
  }
});

function lldb(file: string, core: string, commands: string[]): string {
  const args = ["--no-lldbinit", "--batch", ...commands.flatMap((command) => ["-o", command])];
  const { stdout, stderr } = spawnSync("lldb", [...args, "-c", core, file], { encoding: "utf8" });
  return `${stdout}${stderr}`;
}

test("lldb opens it: backtrace, memory, threads, vector registers", async (t) => {
  const dumped = await dumpDebuggee(t, "lldb");
  if (dumped === undefined) return;
  const { directory, program, pid } = dumped;
  const said = lldb(program, await coreOf(t, directory, pid), [
    "thread backtrace all",
    "print answer",
    "print list->number",
    "print (const char *)list->next->next->text",
    "register read xmm7",
    "frame select 1",
    "memory read -c 5 name",
  ]);
  const [leader, ...others] = said.split(/^ *\*? *thread #/m).slice(1);
  const frames = [...leader.matchAll(/frame #\d+: \S+ debuggee`(\w+)(?:\((depth=\d)?.*\))? at debuggee/g)];
  assert.deepEqual(
    frames.map(([, name, depth]) => (depth === undefined ? name : `${name}(${depth})`)),
    ["wait_for_ever", "descend(depth=0)", "descend(depth=1)", "descend(depth=2)", "descend(depth=3)", "main"],
    said,
  );
  assert.equal(others.length, 3, said);
  for (const [index, argument] of ["46", "47", "48"].entries())
    assert.match(others[index], new RegExp(`work\\(argument=0x0+${argument}\\)`));
  assert.match(said, /\(int\) \$0 = 4711/);
  assert.match(said, /\(int\) \$1 = 2/);
  assert.match(said, /\(const char \*\) \$2 = 0x[0-9a-f]+ "node 0"/);
  assert.match(said, /xmm7 = \{0x69 0x6e 0x20 0x61 0x20 0x72/);
  // From the program's file: the page was never changed, and is not in the images.
  assert.match(said, /0x[0-9a-f]+: 64 65 65 70 00 +deep\./);
});

const AARCH64_PROGRAM = `
int answer = 4711;
__attribute__((noinline)) int inner(int value) { for (;;) __asm__ volatile("" ::: "memory"); return value; }
__attribute__((noinline)) int middle(int value) { return inner(value + 1) + 1; }
__attribute__((noinline)) int outer(int value) { return middle(value + 1) + 1; }
void _start(void) { outer(5); for (;;); }
`;

const ZEROES = {
  mm_start_code: 0n,
  mm_end_code: 0n,
  mm_start_data: 0n,
  mm_end_data: 0n,
  mm_start_brk: 0n,
  mm_brk: 0n,
};
const NO_STRINGS = { mm_arg_start: 0n, mm_arg_end: 0n, mm_env_start: 0n, mm_env_end: 0n };

/** A process of another machine, made by hand: two threads stopped in one place, and one page of stack. */
function writeAarch64(
  directory: string,
  program: string,
  stopped: { pc: bigint; fp: bigint; lr: bigint; entry: bigint },
  stackTop: bigint,
  stack: Uint8Array,
): void {
  const writer = new CriuWriter(directory);
  const fown = { uid: 0, euid: 0, signum: 0, pid_type: 0, pid: 0 };
  const vma = { pgoff: 0n, shmid: 0n, fd: -1n };
  const regs = Array.from({ length: 31 }, (_, index) => BigInt(index) * 0x1111n);
  const frame = stackTop - BigInt(stack.length);
  regs[29] = stopped.fp;
  regs[30] = stopped.lr;
  const thread = (tid: number, sp: bigint) => ({
    mtype: CoreEntryMarch.AARCH64,
    ti_aarch64: {
      clear_tid_addr: 0n,
      tls: 0x1234n,
      gpregs: { regs, sp, pc: stopped.pc, pstate: 0n },
      fpsimd: { vregs: Array.from({ length: 64 }, (_, index) => BigInt(index)), fpsr: 1, fpcr: 2 },
    },
    thread_core: { futex_rla: 0n, futex_rla_len: 0 },
    ...(tid === 9
      ? {
          tc: {
            task_state: 1,
            exit_code: 0,
            personality: 0,
            flags: 0,
            blk_sigset: 0n,
            comm: Buffer.from("arm"),
            sigactions: [],
          },
        }
      : {}),
  });
  writer.image({ kind: "INVENTORY" }, [{ message: { img_version: 2 } }]);
  writer.image({ kind: "PSTREE" }, [{ message: { pid: 9, ppid: 0, pgid: 9, sid: 9, threads: [9, 10] } }]);
  writer.image({ kind: "CORE", id: 9 }, [{ message: thread(9, frame) }]);
  writer.image({ kind: "CORE", id: 10 }, [{ message: thread(10, frame + 16n) }]);
  const file = { id: 1, flags: 0, pos: 0n, fown, name: Buffer.from(program), build_id: [] };
  writer.image({ kind: "FILES" }, [{ message: { type: 1, id: 1, reg: file } }]);
  const vmas = [
    { ...vma, shmid: 1n, start: 0x400000n, end: 0x410000n, prot: 5, flags: 2, status: 0x41 },
    { ...vma, start: frame & ~0xfffn, end: stackTop, prot: 3, flags: 0x22, status: 0x201 },
  ];
  const mm = {
    ...ZEROES,
    ...NO_STRINGS,
    mm_start_stack: stackTop - 8n,
    exe_file_id: 1,
    // AT_PAGESZ and AT_ENTRY: lldb knows by it where the program is.
    mm_saved_auxv: [6n, 4096n, 9n, stopped.entry],
    vmas,
    aios: [],
  };
  writer.image({ kind: "MM", id: 9 }, [{ message: mm }]);
  const entry = { vaddr: stackTop - 4096n, compat_nr_pages: 1, flags: 4, compressed_size: [] };
  writer.image({ kind: "PAGEMAP", id: 9 }, [{ message: { pages_id: 1 } }, { message: entry }]);
  writer.pages(1).append(1, (view) => {
    view.fill(0);
    view.set(stack, 4096 - stack.length);
  });
  writer.commit();
}

test("aarch64: registers as the kernel lays them out", async (t) => {
  const directory = join(temporaryDirectory(t), "arm");
  writeAarch64(
    directory,
    "/program",
    { pc: 0x400123n, fp: 1n, lr: 30n, entry: 0n },
    0x7ffff000n,
    new Uint8Array(32),
  );
  const { machine, notes } = readCore(await coreOf(t, directory, 9));
  assert.equal(machine, EM_AARCH64);
  const [leader, other] = notes.filter(({ type }) => type === NT_PRSTATUS).map(({ content }) => content);
  assert.equal(leader.length, 392);
  assert.equal(leader.readBigUInt64LE(112 + 28 * 8), 28n * 0x1111n);
  assert.deepEqual(
    [29, 30, 31, 32, 33].map((word) => leader.readBigUInt64LE(112 + word * 8)),
    [1n, 30n, 0x7fffefe0n, 0x400123n, 0n],
  );
  assert.deepEqual([other.readInt32LE(32), other.readBigUInt64LE(112 + 31 * 8)], [10, 0x7fffeff0n]);
  const floating = notes.find(({ type }) => type === NT_PRFPREG)!.content;
  assert.equal(floating.length, 528);
  assert.deepEqual(
    [floating.readBigUInt64LE(63 * 8), floating.readUInt32LE(512), floating.readUInt32LE(516)],
    [63n, 1, 2],
  );
});

/** A program of that machine, stopped in the innermost of its functions: its file, and a core file of it. */
async function aarch64Core(t: TestContext): Promise<{ program: string; core: string }> {
  const folder = temporaryDirectory(t);
  const [source, program] = [join(folder, "program.c"), join(folder, "program")];
  writeFileSync(source, AARCH64_PROGRAM);
  const options = ["-g", "-O0", "-static", "-nostdlib", "-Wl,--build-id=none"];
  execFileSync("aarch64-linux-gnu-gcc", [...options, "-o", program, source]);
  const code = execFileSync("aarch64-linux-gnu-objdump", ["-d", program], { encoding: "utf8" });
  const address = (pattern: string) => BigInt(`0x${new RegExp(pattern, "m").exec(code)![1]}`);
  const afterCallOf = (name: string) => address(`^ *(\\w+):.*\\tbl\\t.*<${name}>`) + 4n;
  // inner keeps 16 bytes without a frame of its own; then the frames of middle, outer and _start.
  const top = 0x7ffff000n;
  const stack = new BigUint64Array(12);
  const [middle, outer, start] = [top - 80n, top - 48n, top - 16n];
  stack.set([outer, afterCallOf("middle")], 2);
  stack.set([start, afterCallOf("outer")], 6);
  const directory = join(folder, "arm");
  const entry = address("^0*(\\w+) <_start>:");
  const stopped = { pc: address("^0*(\\w+) <inner>:") + 8n, fp: middle, lr: afterCallOf("inner"), entry };
  writeAarch64(directory, program, stopped, top, new Uint8Array(stack.buffer));
  return { program, core: await coreOf(t, directory, 9) };
}

test("aarch64: gdb shows the backtrace of a program with symbols", async (t) => {
  if (!hasProgram("aarch64-linux-gnu-gcc") || !hasProgram("gdb-multiarch")) {
    return t.skip("needs gcc-aarch64-linux-gnu and gdb-multiarch");
  }
  const { program, core } = await aarch64Core(t);
  const said = gdb("gdb-multiarch", program, core, ["bt", "info threads", "p $x5", "p $v1.d.u", "x/2gx $sp"]);
  const frames = [...said.matchAll(/^#\d+ .*?(\w+) \(.*\) at/gm)].map(([, name]) => name);
  // gdb shows where it is, then the backtrace.
  assert.deepEqual(frames, ["inner", "inner", "middle", "outer", "_start"], said);
  assert.match(said, /LWP 9\b.*LWP 10\b/s);
  assert.match(said, /\$1 = 21845/);
  assert.match(said, /\$2 = \{2, 3\}/);
  assert.match(said, /0x7fffefa0:\s+0x0000000000000000\s+0x0000000000000000/);
});

test("aarch64: lldb shows the same", async (t) => {
  if (!hasProgram("aarch64-linux-gnu-gcc") || !hasProgram("lldb"))
    return t.skip("needs gcc-aarch64-linux-gnu and lldb");
  const { program, core } = await aarch64Core(t);
  const said = lldb(program, core, ["bt", "thread list", "register read x5"]);
  const frames = [...said.matchAll(/frame #\d+: .*`(\w+)/g)].map(([, name]) => name);
  assert.deepEqual(frames, ["inner", "middle", "outer", "_start"], said);
  assert.match(said, /thread #1: tid = 9,.*thread #2: tid = 10,/s);
  assert.match(said, /x5 = 0x0+5555\b/);
});
