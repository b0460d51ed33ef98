import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { HostMismatchError, ImageError, UnsupportedError } from "../../../ts-host/errors.ts";
import type { UserX86FpregsEntry } from "../../../ts-host/generated/messages.ts";
import { decodeProtobuf, encodeProtobuf } from "../../../ts-host/images/codec.ts";
import { fpregsToXsave, xsaveToFpregs } from "../../../ts-host/kernel/abi/xsave.ts";
import { compiler, cValues } from "./c-values.ts";

/** Masks of components as the machines below enable them. */
const AVX = 0x7n;
const AVX512 = 0xe7n;
const EVERYTHING_OF_INTEL = 0x602ffn;

/** An area as ptrace gives it: `rows` are hexadecimal bytes by offset, the rest is 0. */
function area(size: number, enabled: bigint, inUse: bigint, rows: Record<number, string> = {}): Uint8Array {
  const bytes = Buffer.alloc(size);
  bytes.writeBigUInt64LE(enabled, 464);
  bytes.writeBigUInt64LE(inUse, 512);
  for (const [at, hex] of Object.entries(rows)) bytes.write(hex, Number(at), "hex");
  return new Uint8Array(bytes);
}

/** What a program on an AMD EPYC left: pi and 3.25 on the x87 stack, ymm3 and ymm15 set, zmm17 and k0 in use. */
const EPYC = area(2432, AVX512, 0xa7n, {
  0: "7f030030c0000000000000000000000000000000" + "00000000801f0000ffff0200",
  32: "00000000000000d00040000000000000" + "35c26821a2da0fc90040000000000000",
  208: "44444444444444443333333333333333",
  400: "44444444444444443333333333333333",
  624: "22222222222222221111111111111111",
  816: "22222222222222221111111111111111",
  832: "08000800000000000244000000000000",
  1472: "2f".repeat(32),
});

test("registers of an AMD with AVX-512 come out under the image's names", () => {
  const fpregs = xsaveToFpregs(EPYC);
  assert.deepEqual(
    [fpregs.cwd, fpregs.swd, fpregs.twd, fpregs.fop, fpregs.rip, fpregs.rdp, fpregs.mxcsr, fpregs.mxcsr_mask],
    [0x37f, 0x3000, 0xc0, 0, 0n, 0n, 0x1f80, 0x2ffff],
  );
  assert.deepEqual(
    fpregs.st_space.slice(0, 8),
    [0, 0xd0000000, 0x4000, 0, 0x2168c235, 0xc90fdaa2, 0x4000, 0],
  );
  assert.deepEqual(fpregs.xmm_space.slice(12, 16), [0x44444444, 0x44444444, 0x33333333, 0x33333333]);
  const xsave = fpregs.xsave!;
  assert.equal(xsave.xstate_bv, 0xa7n);
  assert.deepEqual(xsave.ymmh_space.slice(60), [0x22222222, 0x22222222, 0x11111111, 0x11111111]);
  assert.deepEqual(xsave.opmask_reg, [0x80008n, 0x4402n, 0n, 0n, 0n, 0n, 0n, 0n]);
  assert.equal(xsave.zmm_upper.length, 64);
  assert.equal(xsave.hi16_zmm.length, 128);
  assert.deepEqual(xsave.hi16_zmm.slice(7, 13), [0n, ...Array(4).fill(0x2f2f2f2f2f2f2f2fn), 0n]);
  assert.deepEqual([xsave.bndreg_state, xsave.bndcsr_state, xsave.pkru, fpregs.padding], [[], [], [], []]);
  assert.deepEqual(xsave.cet, { cet: 0n, ssp: 0n });
  assert.deepEqual(fpregsToXsave(fpregs, EPYC), EPYC);
});

test("an area full of random registers survives, on each kind of machine", () => {
  const machines: [string, number, bigint][] = [
    ["SSE only", 576, 0x3n],
    ["AVX", 832, AVX],
    ["Intel with MPX", 1088, 0x1fn],
    ["Intel with AVX-512", 2688, AVX512],
    ["Intel with AVX-512 and protection keys", 2696, 0x2e7n],
    ["AMD with AVX-512", 2432, AVX512],
    ["AMD with AVX-512 and protection keys", 2440, 0x2e7n],
    ["AMD with protection keys", 2440, 0x207n],
    ["Intel with MPX, AVX-512 and protection keys", 2696, 0x2ffn],
  ];
  for (const [name, size, enabled] of machines) {
    const full = area(size, enabled, enabled & ~1n);
    const fields = xsaveToFpregs(full);
    let seed = 1;
    const next = () => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return seed;
    };
    const fill32 = (words: number[]) => words.map(next);
    const fill64 = (words: bigint[]) => words.map(() => (BigInt(next()) << 32n) | BigInt(next()));
    const xsave = fields.xsave!;
    const random: UserX86FpregsEntry = {
      ...fields,
      rip: 0x7f00_1234_5678n,
      st_space: fill32(fields.st_space),
      xmm_space: fill32(fields.xmm_space),
      xsave: {
        ...xsave,
        ymmh_space: fill32(xsave.ymmh_space),
        bndreg_state: fill64(xsave.bndreg_state),
        bndcsr_state: fill64(xsave.bndcsr_state),
        opmask_reg: fill64(xsave.opmask_reg),
        zmm_upper: fill64(xsave.zmm_upper),
        hi16_zmm: fill64(xsave.hi16_zmm),
        pkru: fill32(xsave.pkru),
      },
    };
    const written = fpregsToXsave(random, full);
    assert.equal(written.length, size, name);
    assert.deepEqual(xsaveToFpregs(written), random, name);
  }
});

test("the registers in an image of CRIU's give the same message again", () => {
  const file = readFileSync("test/data/criu-images/threads/core-7434.img");
  const core = decodeProtobuf("core_entry", file.subarray(12, 12 + file.readUInt32LE(8)));
  const fpregs = core.thread_info!.fpregs!;
  const again = xsaveToFpregs(fpregsToXsave(fpregs, area(832, AVX, 0n)));
  assert.deepEqual(
    encodeProtobuf("user_x86_fpregs_entry", again),
    encodeProtobuf("user_x86_fpregs_entry", fpregs),
  );
});

test("an image from a smaller CPU is taken by a larger one, and the other way only if nothing is lost", () => {
  const small = xsaveToFpregs(area(832, AVX, AVX, { 576: "0102" }));
  const large = fpregsToXsave(small, EPYC);
  assert.equal(large.length, 2432);
  assert.equal(xsaveToFpregs(large).xsave!.xstate_bv, AVX);
  assert.throws(
    () => fpregsToXsave(xsaveToFpregs(EPYC), area(832, AVX, 0n)),
    (error) => {
      assert.ok(error instanceof HostMismatchError);
      assert.match(error.message, /AVX-512/);
      return true;
    },
  );
  const unused = xsaveToFpregs(area(2432, AVX512, AVX));
  assert.equal(xsaveToFpregs(fpregsToXsave(unused, area(832, AVX, 0n))).xsave!.xstate_bv, AVX);
});

test("an image without extended registers starts them anew", () => {
  const { xsave: _, ...legacy } = xsaveToFpregs(EPYC);
  assert.equal(xsaveToFpregs(fpregsToXsave(legacy, EPYC)).xsave!.xstate_bv, 3n);
});

test("what cannot be kept is refused by name", () => {
  assert.throws(
    () => xsaveToFpregs(area(11008, EVERYTHING_OF_INTEL, 0x60000n)),
    (error) => {
      assert.ok(error instanceof UnsupportedError);
      assert.match(error.message, /AMX/);
      return true;
    },
  );
  assert.equal(xsaveToFpregs(area(11008, EVERYTHING_OF_INTEL, AVX)).xsave!.pkru.length, 2);
  assert.throws(() => xsaveToFpregs(area(2500, AVX512, AVX)), UnsupportedError);
  assert.throws(() => xsaveToFpregs(area(832, AVX, 1n << 40n)), UnsupportedError);
  assert.throws(() => xsaveToFpregs(new Uint8Array(512)), UnsupportedError);
});

test("hostile messages are refused", () => {
  const good = xsaveToFpregs(EPYC);
  const xsave = good.xsave!;
  const hostile: UserX86FpregsEntry[] = [
    { ...good, st_space: [] },
    { ...good, xmm_space: Array(65).fill(0) },
    { ...good, xsave: { ...xsave, hi16_zmm: Array(1 << 16).fill(0n) } },
    { ...good, xsave: { ...xsave, ymmh_space: [] } },
    { ...good, xsave: { ...xsave, xstate_bv: 1n << 63n } },
  ];
  for (const message of hostile) assert.throws(() => fpregsToXsave(message, EPYC), ImageError);
});

test("components lie where this machine's CPU says", (t) => {
  const cc = compiler();
  if (!cc) return t.skip("no C compiler for x86-64 Linux");
  const fields = {
    ymmh_space: 2,
    bndreg_state: 3,
    bndcsr_state: 4,
    opmask_reg: 5,
    zmm_upper: 6,
    hi16_zmm: 7,
    pkru: 9,
  };
  const leaf = (bit: number, register: string) =>
    `({ unsigned a, b, c, d; __cpuid_count(0xd, ${bit}, a, b, c, d); ${register}; })`;
  const cpu = cValues(
    cc,
    ["cpuid.h"],
    [
      { name: "osxsave", expression: "({ unsigned a, b, c, d; __cpuid(1, a, b, c, d); (c >> 27) & 1; })" },
      { name: "size", expression: leaf(0, "b") },
      ...Object.values(fields).map((bit) => ({ name: `offset${bit}`, expression: leaf(bit, "b") })),
    ],
  );
  if (cpu.get("osxsave") !== 1n) return t.skip("this machine has no XSAVE");
  const { xcr0 } = Object.fromEntries(
    cValues(
      cc,
      [],
      [
        {
          name: "xcr0",
          expression: `({ unsigned a, d; asm volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0)); a | (0ULL + d) << 32; })`,
        },
      ],
    ),
  );
  const rows = Object.fromEntries(
    Object.values(fields)
      .filter((bit) => (xcr0! >> BigInt(bit)) & 1n)
      .map((bit) => [Number(cpu.get(`offset${bit}`)), Buffer.alloc(8, bit).toString("hex")]),
  );
  const { xsave } = xsaveToFpregs(area(Number(cpu.get("size")), xcr0!, AVX & xcr0!, rows));
  for (const [field, bit] of Object.entries(fields)) {
    const first = xsave![field as keyof typeof fields][0];
    if ((xcr0! >> BigInt(bit)) & 1n) {
      assert.equal(BigInt(first!) & 0xffffffffn, BigInt(Buffer.alloc(4, bit).readUInt32LE()), field);
    }
  }
});
