/**
 * The floating point and vector registers: between the XSAVE area that ptrace copies (NT_X86_XSTATE, always in
 * the standard format) and the messages user_x86_fpregs_entry and user_x86_xsave_entry of an image.
 *
 * Where a component lies in the area is up to the CPU, which says so in CPUID leaf 0xD. That cannot be asked
 * from here, but two answers are in use: Intel's, and AMD's without the gap for MPX that AMD never had. The
 * size of the area and the components that it says are enabled tell which.
 */
import { HostMismatchError, ImageError, UnsupportedError } from "../../errors.ts";
import type { UserX86CetEntry, UserX86FpregsEntry, UserX86XsaveEntry } from "../../generated/messages.ts";
import { struct } from "./layout.ts";

const fxsaveHead = struct("user_fpregs_struct", {
  cwd: "u16",
  swd: "u16",
  twd: "u16",
  fop: "u16",
  rip: "u64",
  rdp: "u64",
  mxcsr: "u32",
  mxcsr_mask: "u32",
});

const ST_SPACE = { at: 32, words: 32 };
const XMM_SPACE = { at: 160, words: 64 };
/** Bytes that the kernel fills with the mask of enabled components, and ignores when they are written. */
const SW_RESERVED = { at: 464, end: 512 };
const XSTATE_BV_AT = 512;
/** Legacy area and header: what is there on every CPU. */
const MINIMUM_SIZE = 576;

/** Bits 0 and 1: x87 and SSE, which live in the legacy area. */
const LEGACY_COMPONENTS = 3n;

type Words32 = "ymmh_space" | "pkru";
type Words64 = "bndreg_state" | "bndcsr_state" | "opmask_reg" | "zmm_upper" | "hi16_zmm";

/** An extended component: its bit in xstate_bv, and where the image keeps it, if it does. */
interface Component {
  readonly bit: number;
  readonly name: string;
  readonly size: number;
  readonly intel: number;
  readonly amd?: number;
  readonly field32?: Words32;
  readonly field64?: Words64;
}

const COMPONENTS: readonly Component[] = [
  { bit: 2, name: "AVX", size: 256, intel: 576, amd: 576, field32: "ymmh_space" },
  { bit: 3, name: "MPX bounds", size: 64, intel: 960, field64: "bndreg_state" },
  { bit: 4, name: "MPX configuration", size: 64, intel: 1024, field64: "bndcsr_state" },
  { bit: 5, name: "AVX-512 masks", size: 64, intel: 1088, amd: 832, field64: "opmask_reg" },
  { bit: 6, name: "AVX-512 upper halves", size: 512, intel: 1152, amd: 896, field64: "zmm_upper" },
  { bit: 7, name: "AVX-512 high registers", size: 1024, intel: 1664, amd: 1408, field64: "hi16_zmm" },
  { bit: 9, name: "protection keys", size: 8, intel: 2688, amd: 2432, field32: "pkru" },
  { bit: 17, name: "AMX configuration", size: 64, intel: 2752 },
  { bit: 18, name: "AMX tiles", size: 8192, intel: 2816 },
  { bit: 19, name: "APX", size: 128, intel: 960 },
];

/** A component that is enabled on a machine, with its offset there. */
interface Placed extends Component {
  readonly at: number;
}

function isSet(mask: bigint, bit: number): boolean {
  return (mask & (1n << BigInt(bit))) !== 0n;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** The enabled components of the machine that `area` comes from. */
function componentsOf(area: Uint8Array): Placed[] {
  if (area.length < MINIMUM_SIZE) {
    throw new UnsupportedError(`an XSAVE area of ${area.length} bytes: not known`, { hint: "is XSAVE off?" });
  }
  const mask = viewOf(area).getBigUint64(SW_RESERVED.at, true);
  const enabled = COMPONENTS.filter(({ bit }) => isSet(mask, bit));
  const placements = (["intel", "amd"] as const).map((vendor) =>
    enabled.map((component) => ({ ...component, at: component[vendor] ?? Number.NaN })),
  );
  // NaN compares false: a layout that lacks an enabled component never fits.
  const fitting = placements.find(
    (placed) => Math.max(MINIMUM_SIZE, ...placed.map(({ at, size }) => at + size)) === area.length,
  );
  if (fitting === undefined) {
    throw new UnsupportedError(
      `an XSAVE area of ${area.length} bytes with components 0x${mask.toString(16)}: not known`,
    );
  }
  return fitting;
}

function words32(view: DataView, at: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => view.getUint32(at + index * 4, true));
}

function words64(view: DataView, at: number, count: number): bigint[] {
  return Array.from({ length: count }, (_, index) => view.getBigUint64(at + index * 8, true));
}

/** Shadow stack off. */
const NO_CET: UserX86CetEntry = { cet: 0n, ssp: 0n };

/**
 * The message for the area of a thread. All components that the machine has enabled are in it, also those that
 * are in their initial state. `cet` is not in the area: it is read on its own. Throws UnsupportedError where
 * the thread uses a component for which the message has no field (AMX, APX).
 */
export function xsaveToFpregs(area: Uint8Array, cet: UserX86CetEntry = NO_CET): UserX86FpregsEntry {
  const components = componentsOf(area);
  const view = viewOf(area);
  const xstate_bv = view.getBigUint64(XSTATE_BV_AT, true);
  const xsave: UserX86XsaveEntry = {
    xstate_bv,
    ymmh_space: [],
    bndreg_state: [],
    bndcsr_state: [],
    opmask_reg: [],
    zmm_upper: [],
    hi16_zmm: [],
    pkru: [],
    cet: { ...cet },
  };
  let known = LEGACY_COMPONENTS;
  for (const { bit, name, size, at, field32, field64 } of components) {
    known |= 1n << BigInt(bit);
    if (field32 !== undefined) xsave[field32] = words32(view, at, size / 4);
    else if (field64 !== undefined) xsave[field64] = words64(view, at, size / 8);
    else if (isSet(xstate_bv, bit)) throw new UnsupportedError(`${name} registers in use: not supported yet`);
  }
  if ((xstate_bv & ~known) !== 0n) {
    throw new UnsupportedError(`register components 0x${(xstate_bv & ~known).toString(16)}: not known`);
  }
  return {
    ...fxsaveHead.read(area),
    st_space: words32(view, ST_SPACE.at, ST_SPACE.words),
    xmm_space: words32(view, XMM_SPACE.at, XMM_SPACE.words),
    padding: [],
    xsave,
  };
}

function checkLength(field: string, length: number, expected: number): void {
  if (length === expected) return;
  throw new ImageError(`${expected} words expected, there are ${length}`, { field: `fpregs.${field}` });
}

function write32(view: DataView, at: number, words: readonly number[]): void {
  for (const [index, word] of words.entries()) view.setUint32(at + index * 4, word, true);
}

function write64(view: DataView, at: number, words: readonly bigint[]): void {
  for (const [index, word] of words.entries()) view.setBigUint64(at + index * 8, word, true);
}

/**
 * The area for PTRACE_SETREGSET. `machine` is the area of any thread on this machine, as ptrace gave it: its
 * size and components are those of the result. Components that the image does not use start in their initial
 * state. Throws HostMismatchError where the image needs a component that this machine lacks, ImageError where
 * the message makes no sense.
 */
export function fpregsToXsave(fpregs: UserX86FpregsEntry, machine: Uint8Array): Uint8Array {
  const components = componentsOf(machine);
  checkLength("st_space", fpregs.st_space.length, ST_SPACE.words);
  checkLength("xmm_space", fpregs.xmm_space.length, XMM_SPACE.words);

  const area = new Uint8Array(machine.length);
  const view = viewOf(area);
  fxsaveHead.write(fpregs, area);
  write32(view, ST_SPACE.at, fpregs.st_space);
  write32(view, XMM_SPACE.at, fpregs.xmm_space);
  area.set(machine.subarray(SW_RESERVED.at, SW_RESERVED.end), SW_RESERVED.at);
  view.setBigUint64(XSTATE_BV_AT, fpregs.xsave?.xstate_bv ?? LEGACY_COMPONENTS, true);
  if (fpregs.xsave !== undefined) writeExtended(fpregs.xsave, components, view);
  return area;
}

/**
 * The area on a machine that has just the components that the image holds, placed as Intel does it: for core
 * dumps, which no machine has to load.
 */
export function fpregsToCoreXsave(fpregs: UserX86FpregsEntry): Uint8Array {
  const held = COMPONENTS.filter(({ field32, field64 }) => {
    const words = field32 !== undefined ? fpregs.xsave?.[field32] : field64 && fpregs.xsave?.[field64];
    return words !== undefined && words.length > 0;
  });
  const machine = new Uint8Array(Math.max(MINIMUM_SIZE, ...held.map(({ intel, size }) => intel + size)));
  const mask = held.reduce((bits, { bit }) => bits | (1n << BigInt(bit)), LEGACY_COMPONENTS);
  viewOf(machine).setBigUint64(SW_RESERVED.at, mask, true);
  return fpregsToXsave(fpregs, machine);
}

/** The legacy part of the area, which is what NT_PRFPREG holds. */
export const LEGACY_AREA_SIZE = 512;

function writeExtended(xsave: UserX86XsaveEntry, components: readonly Placed[], view: DataView): void {
  let held = LEGACY_COMPONENTS;
  for (const { bit, name, size, field32, field64 } of COMPONENTS) {
    const words = field32 !== undefined ? xsave[field32] : field64 !== undefined ? xsave[field64] : [];
    if (words.length === 0) continue;
    checkLength(`xsave.${field32 ?? field64}`, words.length, size / (field32 !== undefined ? 4 : 8));
    held |= 1n << BigInt(bit);
    const at = components.find((component) => component.bit === bit)?.at;
    if (at === undefined) {
      if (!isSet(xsave.xstate_bv, bit)) continue;
      throw new HostMismatchError(`the image holds ${name} registers, which this machine does not have`);
    }
    if (field32 !== undefined) write32(view, at, xsave[field32]);
    else if (field64 !== undefined) write64(view, at, xsave[field64]);
  }
  const missing = xsave.xstate_bv & ~held;
  if (missing !== 0n) {
    throw new ImageError(`register components 0x${missing.toString(16)} are in use, but not in the image`, {
      field: "fpregs.xsave.xstate_bv",
    });
  }
}
