/**
 * The verbs for images, side by side with what else reads the same files: CRIU's crit in Python, and cat. What counts
 * is the ratio of the medians of processor time: of whole commands against crit, beside our start-up against cat. The
 * images are made here.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { regularFile, writeHandmade } from "../test/support/handmade.ts";
import { writeManyProcesses } from "../test/support/many-processes.ts";
import { asset } from "../ts-host/assets.ts";
import { FdTypes, type FileEntry } from "../ts-host/generated/messages.ts";
import type { FillPages, ImageRecord } from "../ts-host/images/checkpoint.ts";
import type { PageOptions } from "../ts-host/images/create.ts";
import { writeImage } from "../ts-host/images/framing.ts";
import { processMemory } from "./memory.ts";
import { type Series, spread } from "./report.ts";

const RUNS = 7;
const PAGE = 4096;
const GIB_PAGES = 2 ** 30 / PAGE;
const PAGEMAP_ENTRIES = 1_000_000;
const FILES_ENTRIES = 100_000;
const PROCESSES = 1000;
const TEN_GIB_PAGES = Math.floor((10 * GIB_PAGES) / PROCESSES);
/** Of the pages between two checkpoints. */
const CHANGED = 0.01;

const environment = { ...process.env, NODE_EXTRA_CA_CERTS: undefined };

interface Cost {
  /** Processor time and time on the clock, in ms. */
  cpu: number;
  wall: number;
}

type Command = readonly string[];

const ours = (...args: string[]): Command => [process.execPath, asset("criu-wasm.cjs"), ...args];
/** What all our commands do before they begin. */
const START_UP = ours("validate", "--help");

/** Runs the command, its output thrown away; bash knows the processor time of its children. */
function timed(command: Command): Cost {
  const script = `TIMEFORMAT="%R %U %S"; exec 3>&1; time "$@" >/dev/null 2>&3`;
  const { stdout, stderr } = spawnSync("bash", ["-c", script, "bash", ...command], {
    env: environment,
    encoding: "utf8",
  });
  if (stdout !== "") throw new Error(`${command.join(" ")} complained:\n${stdout}`);
  const [real, user, system] = stderr.trim().split(/\s+/).map(Number);
  return { cpu: 1000 * (user + system), wall: 1000 * real };
}

/** The most memory that the command had, in MB; it is asked again and again until it ends. */
async function peakMemory([program, ...args]: Command): Promise<number> {
  const child = spawn(program, args, { stdio: "ignore", env: environment });
  let peak = 0;
  const look = setInterval(() => {
    try {
      const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
      peak = Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? peak);
    } catch {}
  }, 5);
  await new Promise((resolve) => child.once("exit", resolve));
  clearInterval(look);
  return (peak * 1024) / 1e6;
}

interface Row {
  what: string;
  ratio: string;
  spread: string;
  aim: string;
  ours: string;
  other: string;
  "our MB": string;
  "other's MB": string;
}

const rows: Row[] = [];

/** Start-ups of ours that do not count, in our command and in the other. */
interface StartUps {
  inOurs: number;
  inOther: number;
}

/** How many times faster our command is than the other; both run in turns. */
async function race(
  what: string,
  aim: string,
  our: Command,
  other: Command,
  {
    runs = RUNS,
    withMemory = false,
    inOurs = 0,
    inOther = 0,
  }: Partial<StartUps> & { runs?: number; withMemory?: boolean },
): Promise<void> {
  const [a, b]: Series[] = [[], []];
  for (let run = 0; run < runs; run++) {
    const startUp = inOurs + inOther > 0 ? timed(START_UP).cpu : 0;
    a.push(timed(our).cpu - inOurs * startUp);
    b.push(timed(other).cpu - inOther * startUp);
  }
  const [mine, theirs] = [spread(a), spread(b)];
  const memory = withMemory ? [await peakMemory(our), await peakMemory(other)] : [];
  add({
    what,
    ratio: (theirs.median / mine.median).toFixed(2),
    spread: `${(theirs.least / mine.most).toFixed(2)}–${(theirs.most / mine.least).toFixed(2)}`,
    aim,
    ours: `${mine.median.toFixed(0)} ms`,
    other: `${theirs.median.toFixed(0)} ms`,
    "our MB": memory[0]?.toFixed(0) ?? "",
    "other's MB": memory[1]?.toFixed(0) ?? "",
  });
}

function add(row: Row): void {
  rows.push(row);
  const { what, ratio, spread, aim, ours, other } = row;
  const memory = row["our MB"] && `, ${row["our MB"]} MB${row["other's MB"] && ` of ${row["other's MB"]}`}`;
  console.log(`${what}: ${ratio} (${spread}), aim ${aim}; ${ours} against ${other}${memory}`);
}

// Input.

function pagemapImage(): Uint8Array {
  const records = Array.from({ length: PAGEMAP_ENTRIES }, (_, index) => ({
    message: {
      vaddr: 0x7f0000000000n + BigInt(index) * 0x200000n,
      compat_nr_pages: 0,
      flags: 4,
      nr_pages: BigInt(1 + (index % 300)),
      compressed_size: [],
    },
  }));
  const all = [{ message: { pages_id: 1 } }, ...records] as ImageRecord<"PAGEMAP">[];
  return writeImage("PAGEMAP", all);
}

/** Of ten files eight are regular ones, one is a pipe and one a connection. */
function fileNumber(id: number): FileEntry {
  const regular = regularFile(id, `/srv/www/static/assets/${id % 97}/file-number-${id}.html`);
  const { fown } = regular.reg!;
  if (id % 10 === 0) return { type: FdTypes.PIPE, id, pipe: { id, pipe_id: id, flags: 1, fown } };
  if (id % 10 !== 5) return regular;
  const opts = {
    so_sndbuf: 16384,
    so_rcvbuf: 131072,
    so_snd_tmo_sec: 0n,
    so_snd_tmo_usec: 0n,
    so_rcv_tmo_sec: 0n,
    so_rcv_tmo_usec: 0n,
    so_filter: [],
  };
  const isk = {
    ...{ id, ino: id + 7, family: 2, type: 1, proto: 6, state: 1, flags: 2, backlog: 0 },
    ...{ src_port: 8080, dst_port: 1024 + (id % 60000), src_addr: [0x0100007f], dst_addr: [0x0200007f] },
    ...{ fown, opts, ip_opts: {} },
  };
  return { type: FdTypes.INETSK, id, isk } as FileEntry;
}

function filesImage(): Uint8Array {
  const records = Array.from({ length: FILES_ENTRIES }, (_, index) => ({ message: fileNumber(index + 1) }));
  return writeImage("FILES", records);
}

/** Pages of real programs, each with a number in it, so that no two are equal. */
async function realPages(): Promise<(isChanged: (page: number) => boolean) => FillPages> {
  const memory = Buffer.concat([...(await processMemory()).values()]);
  const pages = memory.length / PAGE;
  return (isChanged) => (view, offset) => {
    for (let at = 0; at < view.length; at += PAGE) {
      const page = (offset + at) / PAGE;
      const from = (page % pages) * PAGE;
      view.set(memory.subarray(from, from + PAGE), at);
      new DataView(view.buffer, view.byteOffset + at, 8).setUint32(0, page);
      if (isChanged(page)) view[at + 64] ^= 0xff;
    }
  };
}

function writeGibibyte(
  directory: string,
  format: "criu" | "native",
  fill: FillPages,
  options: PageOptions,
): void {
  const mappings = [{ start: 0x10000000n, pages: { count: GIB_PAGES, fill } }];
  writeHandmade(directory, [{ pid: 100, name: "large", mappings }], format, options);
}

// Benches.

async function benchDecode(folder: string): Promise<void> {
  if (spawnSync("crit", ["--help"], { stdio: "ignore" }).status !== 0) {
    console.log("offline: decode has nothing to compare with: needs crit (Debian: apt-get install criu)");
    return;
  }
  const images = [
    ["a pagemap of 1 million entries", "pagemap-1.img", pagemapImage],
    ["100,000 files", "files.img", filesImage],
  ] as const;
  for (const [what, name, content] of images) {
    const image = join(folder, name);
    writeFileSync(image, content());
    for (const pretty of [[], ["--pretty"]]) {
      const our = ours("decode", "-i", image, "-o", join(folder, "ours.json"), ...pretty);
      const other = ["crit", "decode", "-i", image, "-o", join(folder, "crit.json"), ...pretty];
      await race(["decode", ...pretty, "of", what].join(" "), "20", our, other, {
        runs: 3,
        withMemory: true,
      });
    }
    rmSync(image);
  }
}

const filesOf = (directory: string) => readdirSync(directory).map((name) => join(directory, name));

/** A file of 1 GiB. */
function writeRaw(folder: string): string {
  const path = join(folder, "raw");
  writeFileSync(path, new Uint8Array(2 ** 30));
  return path;
}

async function benchReading(folder: string, fill: FillPages): Promise<void> {
  const kinds = [
    ["CRIU's format", "criu", {}],
    ["native format, not compressed", "native", { compress: "none" }],
    ["native format, LZ4", "native", { compress: "lz4" }],
  ] as const;
  for (const [what, format, options] of kinds) {
    const directory = join(folder, "gibibyte");
    writeGibibyte(directory, format, fill, options);
    // Of compressed files, the memory in them counts too: that is what has to be looked at.
    const files: [what: string, cat: Command][] = [["", ["cat", ...filesOf(directory)]]];
    if (what.endsWith("LZ4")) files.push([", against the memory in them", ["cat", writeRaw(folder)]]);
    const verbs = {
      validate: [],
      search: ["--text", "no such text anywhere"],
      "search --regex": ["--regex", "no such (text|word) anywhere"],
    };
    for (const [verb, args] of Object.entries(verbs)) {
      const [name] = verb.split(" ");
      for (const [against, cat] of files) {
        const our = ours(name, "-D", directory, ...args);
        await race(`${verb} of 1 GiB, ${what}${against}`, "0.5", our, cat, { inOurs: 1 });
      }
    }
    rmSync(directory, { recursive: true });
  }
}

async function benchShow(folder: string): Promise<void> {
  for (const format of ["criu", "native"] as const) {
    const directory = join(folder, "processes");
    writeManyProcesses(directory, PROCESSES, TEN_GIB_PAGES, format);
    const [shown, started]: Series[] = [[], []];
    for (let run = 0; run < RUNS; run++) {
      shown.push(timed(ours("show", directory)).wall);
      started.push(timed(START_UP).wall);
    }
    const [a, b] = [spread(shown), spread(started)];
    add({
      what: `show of 10 GiB in 1,000 processes, ${format}, seconds beside start-up`,
      ratio: ((a.median - b.median) / 1000).toFixed(2),
      spread: `${((a.least - b.most) / 1000).toFixed(2)}–${((a.most - b.least) / 1000).toFixed(2)}`,
      aim: "at most 1, 200 MB",
      ours: `${a.median.toFixed(0)} ms`,
      other: `${b.median.toFixed(0)} ms`,
      "our MB": (await peakMemory(ours("show", directory))).toFixed(0),
      "other's MB": "",
    });
    rmSync(directory, { recursive: true });
  }
}

async function benchDiff(folder: string, fillOf: (isChanged: (page: number) => boolean) => FillPages) {
  const store = join(folder, "store");
  const [before, after] = ["before", "after"].map((name) => join(folder, name));
  const every = Math.round(1 / CHANGED);
  writeGibibyte(
    before,
    "native",
    fillOf(() => false),
    { store },
  );
  writeGibibyte(
    after,
    "native",
    // Spread over all of it, which is the worst.
    fillOf((page) => page % every === 0),
    { store },
  );
  const script = 'shift; "$@" -D before && "$@" -D after';
  const readBoth = ["bash", "-c", `cd ${folder}; ${script}`, "bash", "", ...ours("validate")];
  const our = ours("diff", before, after);
  const what = "diff of 2 × 1 GiB in a store, 1 % changed";
  await race(`${what}, against validate of both`, "10", our, readBoth, { inOurs: 1, inOther: 2 });
  const raw = writeRaw(folder);
  const cat = ["cat", raw, raw];
  await race(`${what}, against cat of 2 GiB`, "10", our, cat, { inOurs: 1 });
}

/** Prints a row for each figure. */
export async function benchOffline(): Promise<void> {
  const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "criu-wasm-bench-"));
  try {
    execFileSync("bash", ["--version"], { stdio: "ignore" });
    const fillOf = await realPages();
    await benchDecode(folder);
    await benchReading(
      folder,
      fillOf(() => false),
    );
    await benchShow(folder);
    await benchDiff(folder, fillOf);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  console.log("\nverbs for images");
  console.table(rows);
}
