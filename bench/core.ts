/**
 * The core against native code, side by side: each round runs both, and what counts is the ratio of the medians
 * of the processor time they take; for two threads against one, of the time on the clock.
 * The native side is bench/programs/core.c, with Debian's liblz4 and libxxhash; the memory is that of real
 * programs, and one process holds it to be read as a dump reads it.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import protobuf from "protobufjs";
import { packageFile } from "../ts-host/assets.ts";
import { CriuWriter } from "../ts-host/images/criu.ts";
import { InputFile } from "../ts-host/images/files.ts";
import { loadShim } from "../ts-host/native/ffi.ts";
import { readMemory, writeMemory } from "../ts-host/remote/memory.ts";
import { type PackOptions, PackWriter } from "../ts-host/store/pack-writer.ts";
import { PageReader } from "../ts-host/store/page-reader.ts";
import type { PageTable } from "../ts-host/store/page-table.ts";
import { Core } from "../ts-host/wasm/core.ts";
import { PAGE_SIZE } from "../ts-host/wasm/pages.ts";
import { PAGEMAP_ROW, pagemapFromRows, pagemapToRows } from "../ts-host/wasm/transcoder.ts";
import { processMemory } from "./memory.ts";
import { type Series, spread } from "./report.ts";

const RUNS = 9;
const REGION = 65536;

interface Row {
  what: string;
  /** How fast ours is, of the native one. */
  ratio: number;
  "our MB/s": string;
  "native MB/s": string;
  spread: string;
  "at least": number | "";
  aim: number | "";
  note: string;
}

const rows: Row[] = [];

/** Times of ours and of the other, in ms, for the same number of bytes. */
function report(
  what: string,
  bytes: number,
  ours: Series,
  native: Series,
  atLeast: number | "" = "",
  aim: number | "" = "",
  note = "",
): void {
  const [a, b] = [spread(ours), spread(native)];
  const speed = (ms: number) => (bytes / ms / 1000).toFixed(0);
  const row: Row = {
    what,
    ratio: Number((b.median / a.median).toFixed(2)),
    "our MB/s": speed(a.median),
    "native MB/s": speed(b.median),
    spread: `${(b.least / a.most).toFixed(2)}–${(b.most / a.least).toFixed(2)}`,
    "at least": atLeast,
    aim,
    note,
  };
  rows.push(row);
  console.log(
    `${what}: ${row.ratio} (${row.spread}), ${row["our MB/s"]} of ${row["native MB/s"]} MB/s ${note}`,
  );
}

/** Processor time of this process, all its threads, in ms: that others use the machine too does not count. */
function timed(work: () => void): number {
  const began = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(began);
  return (user + system) / 1000;
}

function elapsed(work: () => void): number {
  const began = performance.now();
  work();
  return performance.now() - began;
}

class Native {
  readonly #program: string;

  constructor(program: string) {
    this.#program = program;
  }

  /** Numbers that the program prints: times, in ms, and what else there is. */
  run(...args: (string | number)[]): number[] {
    const out = execFileSync(this.#program, args.map(String), { encoding: "utf8" });
    return out.trim().split(/\s+/).map(Number);
  }

  /** Runs the program once for each list of arguments, one after the other. */
  inTurn(runs: string[][]): void {
    for (const args of runs) this.run(...args);
  }

  /** The same, all at once. */
  atOnce(runs: string[][]): void {
    const script = `${runs.map((args) => `"$0" ${args.join(" ")} &`).join(" ")} wait`;
    execFileSync("sh", ["-c", script, this.#program]);
  }

  ms(...args: (string | number)[]): number {
    return this.run(...args)[0] / 1e6;
  }

  spawn(...args: string[]): ChildProcess {
    return spawn(this.#program, args, { stdio: ["ignore", "pipe", "inherit"] });
  }
}

function compileNative(folder: string): Native | undefined {
  const program = join(folder, "core");
  const source = packageFile("bench/programs/core.c");
  const cc = process.env.CC ?? "cc";
  const { status } = spawnSync(cc, ["-O3", "-march=native", "-o", program, source, "-llz4"], {
    stdio: "ignore",
  });
  return status === 0 ? new Native(program) : undefined;
}

function benchHash(native: Native, file: string, memory: Buffer): void {
  const core = Core.load();
  const pages = core.allocate(memory.length);
  core.view(pages, memory.length).set(memory);
  const into = core.allocate(32);
  const { isZeroPage, pageHashes } = core.exports;
  const [ours, nh, xxh3]: Series[] = [[], [], []];
  for (let run = 0; run <= RUNS; run++) {
    const time = timed(() => {
      for (let page = pages; page < pages + memory.length; page += PAGE_SIZE)
        if (!isZeroPage(page)) pageHashes(page, 1, into);
    });
    const others = ["nh", "hash"].map((hash) => native.ms(hash, file));
    if (run === 0) continue;
    ours.push(time);
    nh.push(others[0]);
    xxh3.push(others[1]);
  }
  const what = "zero test and hash of pages";
  report(`${what}, against the same hash in C`, memory.length, ours, nh, 0.7, 0.9);
  report(`${what}, against XXH3-128`, memory.length, ours, xxh3);
}

interface Compressed {
  compress: Series;
  decompress: Series;
  size: number;
}

function runLz4(core: Core, method: "lz4Compress" | "lz4CompressWords", memory: Buffer): () => Compressed {
  const count = memory.length / REGION;
  const source = core.allocate(memory.length);
  const packed = core.allocate(count * 2 * REGION);
  const back = core.allocate(REGION);
  core.view(source, memory.length).set(memory);
  const lengths = new Uint32Array(count);
  const { [method]: compress, lz4Decompress } = core.exports;
  return () => {
    const times: Compressed = { compress: [], decompress: [], size: 0 };
    times.compress.push(
      timed(() => {
        for (let index = 0; index < count; index++) {
          lengths[index] = compress(source + index * REGION, REGION, packed + index * 2 * REGION);
          times.size += lengths[index];
        }
      }),
    );
    times.decompress.push(
      timed(() => {
        for (let index = 0; index < count; index++)
          lz4Decompress(packed + index * 2 * REGION, lengths[index], back, REGION);
      }),
    );
    return times;
  };
}

function benchLz4(native: Native, folder: string, memories: Map<string, Buffer>): void {
  for (const [name, memory] of memories) {
    const file = join(folder, name);
    writeFileSync(file, memory);
    const methods = [
      runLz4(Core.load(), "lz4Compress", memory),
      runLz4(Core.load(), "lz4CompressWords", memory),
    ];
    const [plain, words]: Compressed[] = methods.map(() => ({ compress: [], decompress: [], size: 0 }));
    const theirs: Compressed = { compress: [], decompress: [], size: 0 };
    for (let run = 0; run <= RUNS; run++) {
      const results = methods.map((method) => method());
      const [compress, decompress, size] = native.run("lz4", file);
      if (run === 0) continue;
      for (const [index, sums] of [plain, words].entries()) {
        sums.compress.push(...results[index].compress);
        sums.decompress.push(...results[index].decompress);
        sums.size = results[index].size;
      }
      theirs.compress.push(compress / 1e6);
      theirs.decompress.push(decompress / 1e6);
      theirs.size = size;
    }
    const ratio = ({ size }: Compressed) => `${(memory.length / size).toFixed(2)} times smaller`;
    const { length } = memory;
    report(`LZ4 of ${name}, compress`, length, plain.compress, theirs.compress, 0.75, 0.9, ratio(plain));
    report(`LZ4 of ${name}, decompress`, length, plain.decompress, theirs.decompress, 0.75, 1.0);
    report(
      `LZ4 by words of ${name}, compress`,
      length,
      words.compress,
      theirs.compress,
      1.3,
      2.0,
      ratio(words),
    );
    report(`LZ4 by words of ${name}, decompress`, length, words.decompress, theirs.decompress);
  }
}

const PROTO = `syntax = "proto2";
message pagemap_entry {
  required uint64 vaddr = 1; required uint32 compat_nr_pages = 2; optional bool in_parent = 3;
  optional uint32 flags = 4; optional uint64 nr_pages = 5;
}`;

function benchTranscoding(): void {
  const count = 1e6;
  const type = protobuf.parse(PROTO, { keepCase: true }).root.lookupType("pagemap_entry");
  const rowBytes = new Uint8Array(count * PAGEMAP_ROW);
  const view = new DataView(rowBytes.buffer);
  for (let index = 0; index < count; index++) {
    view.setBigUint64(index * PAGEMAP_ROW, 0x7f0000000000n + BigInt(index) * 0x10000n, true);
    view.setBigUint64(index * PAGEMAP_ROW + 8, BigInt(1 + (index % 300)), true);
    view.setUint32(index * PAGEMAP_ROW + 16, 4, true);
  }
  const records = pagemapFromRows(rowBytes).slice();
  const messages: protobuf.Message[] = [];
  const decodeAll = () => {
    messages.length = 0;
    const words = new DataView(records.buffer);
    for (let at = 0; at < records.length; ) {
      const size = words.getUint32(at, true);
      messages.push(type.decode(records.subarray(at + 4, at + 4 + size)));
      at += 4 + size;
    }
  };
  const encodeAll = () => {
    const out = new Uint8Array(records.length);
    const words = new DataView(out.buffer);
    let at = 0;
    for (const message of messages) {
      const bytes = type.encode(message).finish();
      words.setUint32(at, bytes.length, true);
      out.set(bytes, at + 4);
      at += 4 + bytes.length;
    }
  };
  const times: Series[] = [[], [], [], []];
  for (let run = 0; run < 8; run++) {
    const round = [
      timed(() => pagemapToRows(records)),
      timed(decodeAll),
      timed(() => pagemapFromRows(rowBytes)),
      timed(encodeAll),
    ];
    if (run > 0) for (const [index, series] of times.entries()) series.push(round[index]);
  }
  const note = "native: protobufjs";
  report("transcoding of 1 million pagemap entries, decode", records.length, times[0], times[1], 5, 20, note);
  report("transcoding of 1 million pagemap entries, encode", records.length, times[2], times[3], 5, 20, note);
}

/** A process with a mapping: of the content of a file, or fresh and so many bytes long. */
async function mapped(
  native: Native,
  what: "hold" | "room",
  argument: string,
): Promise<{ child: ChildProcess; address: bigint }> {
  const child = native.spawn(what, argument);
  const line: Buffer = await new Promise((resolve) => child.stdout!.once("data", resolve));
  return { child, address: BigInt(line.toString().trim().split(" ")[0]) };
}

setFlagsFromString("--expose-gc");
/**
 * What an earlier run has left, memories of cores above all, is not to be cleared away in the time of the next. Only
 * between runs that take long: loops that were made fast are slow again after it.
 */
const collectGarbage: () => void = runInNewContext("gc");

/** Memory of a process. */
interface Memory {
  pid: number;
  address: bigint;
  length: number;
}

function dumpInto(writer: PackWriter, { pid, address, length }: Memory): PageTable {
  writer
    .stream(1)
    .append(length / PAGE_SIZE, (view, offset) => readMemory(pid, address + BigInt(offset), view));
  return writer.finish();
}

function dumpPack(path: string, memory: Memory, options: PackOptions): PageTable {
  return dumpInto(new PackWriter(path, new Uint8Array(16), options), memory);
}

const stopped = new Int32Array(new SharedArrayBuffer(4));

/** The time on the clock when the other threads have begun, as they do while a dump looks at all but the memory. */
function elapsedOnceBegun(path: string, memory: Memory, options: PackOptions): number {
  const writer = new PackWriter(path, new Uint8Array(16), options);
  Atomics.wait(stopped, 0, 0, 200);
  return elapsed(() => dumpInto(writer, memory));
}

/** As `--format criu` writes pages; never published, which says nothing of the path. */
function dumpRaw(path: string, { pid, address, length }: Memory): void {
  const writer = new CriuWriter(path);
  writer
    .pages()
    .append(length / PAGE_SIZE, (view, offset) => readMemory(pid, address + BigInt(offset), view));
  for (const _ of writer.finish());
}

const COPIES = 3;

/** The same pages again, each changed a little: as much as a second thread is worth its start. */
function differentCopies(memory: Buffer): Buffer {
  const copies = Array.from({ length: COPIES }, (_, copy) => {
    const changed = Buffer.from(memory);
    for (let at = 16; copy > 0 && at < changed.length; at += PAGE_SIZE) changed[at] ^= copy;
    return changed;
  });
  return Buffer.concat(copies);
}

async function benchPaths(native: Native, folder: string, memories: Map<string, Buffer>): Promise<void> {
  const file = join(folder, "all");
  const all = differentCopies(Buffer.concat([...memories.values()]));
  writeFileSync(file, all);
  const { child, address } = await mapped(native, "hold", file);
  try {
    const memory: Memory = { pid: child.pid!, address, length: all.length };
    const names = ["ours", "raw", "theirs", "beside"];
    const [ours, raw, theirs, beside] = names.map((name) => join(folder, name));
    const inC = (mode: string) => native.ms(...nativeDump(memory, theirs, mode));
    const lz4 = (threads: number): PackOptions => ({ compress: "lz4", regionPages: 16, threads });
    const none: PackOptions = { compress: "none", regionPages: 16, threads: 1 };
    const halves = halvesOf(memory).map((half, index) => nativeDump(half, [theirs, beside][index], "lz4"));
    const contenders: Record<string, () => number> = {
      "C, lz4": () => inC("lz4"),
      "lz4, 1": () => timed(() => dumpPack(ours, memory, lz4(1))),
      "clock, 1": () => elapsedOnceBegun(ours, memory, lz4(1)),
      "clock, 2": () => elapsedOnceBegun(ours, memory, lz4(2)),
      "clock, 2 and start": () => elapsed(() => dumpPack(ours, memory, lz4(2))),
      "C, in turn": () => elapsed(() => native.inTurn(halves)),
      "C, at once": () => elapsed(() => native.atOnce(halves)),
      "C, raw": () => inC("raw"),
      raw: () => timed(() => dumpRaw(raw, memory)),
      dedup: () => timed(() => dumpPack(ours, memory, none)),
    };
    const times = new Map<string, Series>(Object.keys(contenders).map((name) => [name, []]));
    for (let run = 0; run <= RUNS; run++)
      for (const [name, contender] of Object.entries(contenders)) {
        for (const path of [ours, raw, theirs, beside]) rmSync(path, { recursive: true, force: true });
        collectGarbage();
        const time = contender();
        if (run > 0) times.get(name)!.push(time);
      }
    const { length } = all;
    const of = (name: string) => times.get(name)!;
    const ideal = spread(of("C, in turn")).median / spread(of("C, at once")).median;
    const note = `two programs in C at once: ${ideal.toFixed(2)}`;
    report("memory to store, LZ4, one thread", length, of("lz4, 1"), of("C, lz4"), 0.75, 0.95);
    report("the same with two threads, against one", length, of("clock, 2"), of("clock, 1"), 1.7, 1.95, note);
    report("and with the start of the second", length, of("clock, 2 and start"), of("clock, 1"));
    report("memory to store, neither compressed nor compared", length, of("raw"), of("C, raw"), 0.95, 1.1);
    report("the same with dedup", length, of("dedup"), of("C, raw"), 0.6, 0.8);
    await benchReading(native, folder, memory, all);
  } finally {
    child.kill("SIGKILL");
  }
}

/** The arguments of core.c. */
function nativeDump({ pid, address, length }: Memory, path: string, mode: string): string[] {
  return ["dump", `${pid}`, `0x${address.toString(16)}`, `${length}`, path, mode];
}

function halvesOf({ pid, address, length }: Memory): Memory[] {
  const half = Math.ceil(length / 2 / REGION) * REGION;
  return [
    { pid, address, length: half },
    { pid, address: address + BigInt(half), length: length - half },
  ];
}

/** Both sides move bytes to memory that was touched before. */
async function benchReading(native: Native, folder: string, memory: Memory, all: Buffer): Promise<void> {
  const pack = join(folder, "pack");
  const table = dumpPack(pack, memory, { compress: "lz4", regionPages: 16, threads: 1 });
  const { child, address } = await mapped(native, "room", `${all.length}`);
  const reader = new PageReader(table, () => new InputFile(pack));
  try {
    const stream = reader.stream(table.streams[0]);
    const restore = () =>
      stream.read(0, all.length / PAGE_SIZE, (view, offset) =>
        writeMemory(child.pid!, address + BigInt(offset), view),
      );
    restore();
    const back = Buffer.alloc(all.length);
    readMemory(child.pid!, address, back);
    if (!all.equals(back)) throw new Error("what was read back is not what was written");
    const [ours, inC, plain]: Series[] = [[], [], []];
    const raw = join(folder, "all");
    for (let run = 0; run < RUNS; run++) {
      ours.push(timed(restore));
      inC.push(native.ms("restore", raw, `${child.pid}`, `0x${address.toString(16)}`));
      plain.push(native.ms("read", raw));
    }
    const smaller = `${(all.length / statSync(pack).size).toFixed(2)} times smaller`;
    const note = "native: nothing checked, and not from a file";
    report("store to a process's memory, LZ4, against C", all.length, ours, inC, 0.75, 0.95, note);
    report("the same against read() of the raw pages", all.length, ours, plain, 0.7, 1.2, smaller);
  } finally {
    reader.close();
    child.kill("SIGKILL");
  }
}

/** Prints a row for each figure; skips what needs a compiler, liblz4 or root. */
export async function benchCore(): Promise<Row[]> {
  const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "criu-wasm-bench-"));
  try {
    benchTranscoding();
    const native = compileNative(folder);
    if (native === undefined) {
      console.log("core: no native side: needs a C compiler, liblz4-dev and libxxhash-dev");
      return rows;
    }
    if (process.platform !== "linux" || process.getuid!() !== 0) {
      console.log("core: memory of other processes is read: needs root on Linux");
      return rows;
    }
    loadShim();
    const memories = await processMemory();
    const largest = [...memories.values()].reduce((a, b) => (a.length > b.length ? a : b));
    const file = join(folder, "memory");
    writeFileSync(file, largest);
    benchHash(native, file, largest);
    benchLz4(native, folder, memories);
    await benchPaths(native, folder, memories);
    console.table(rows);
    return rows;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
