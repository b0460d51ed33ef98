/**
 * What a checkpoint takes in each format, and how fast it is written and read: all formats side by side, their runs
 * interleaved, each from the same plain CRIU images in the page cache, with one thread.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { CriuWasmError } from "../../errors.ts";
import type { CheckpointReader, PageSource } from "../../images/checkpoint.ts";
import { createCheckpoint, type PageOptions } from "../../images/create.ts";
import { openCheckpoint } from "../../images/open.ts";
import { copyCheckpoint } from "../copy.ts";
import type { Progress } from "../progress.ts";

export interface FormatRow {
  format: string;
  /** Of all files. */
  bytes: number;
  /** Speeds in bytes of page content a second. */
  encode: number;
  decode: number;
  /** Microseconds for one page somewhere; not there: all of the checkpoint has to be decompressed. */
  page?: { p50: number; p99: number };
  /** Bytes that a later checkpoint of the same program takes beside this one. */
  later?: number;
}

interface Contender {
  format: string;
  encode(from: string, to: string): void;
  decode(directory: string): void;
  /** Whether pages can be read one by one. */
  readonly hasPages: boolean;
  /** For formats that can share a store: where pages of both checkpoints go. */
  readonly inStore?: (from: string, to: string, store: string) => void;
}

const ROUNDS = 3;
/** Pages that are read one by one, in each round. */
const SAMPLES = 1000;

function copy(from: string, to: string, format: CheckpointReader["format"], options: PageOptions): void {
  const reader = openCheckpoint(from);
  try {
    const steps = copyCheckpoint(reader, createCheckpoint(to, format, { threads: 1, ...options }));
    while (!steps.next().done);
  } finally {
    reader.close();
  }
}

function readAll(directory: string): void {
  const reader = openCheckpoint(directory);
  try {
    for (const name of reader.list()) reader.read(name);
    for (const id of reader.streams()) {
      const pages = reader.pages(id);
      pages.read(0, pages.length, () => {});
    }
  } finally {
    reader.close();
  }
}

function ours(name: string, format: CheckpointReader["format"], options: PageOptions): Contender {
  return {
    format: name,
    encode: (from, to) => copy(from, to, format, options),
    decode: readAll,
    hasPages: true,
    ...(format === "native" && {
      inStore: (from, to, store) => copy(from, to, format, { ...options, store }),
    }),
  };
}

function shell(command: string, from: string, to: string): void {
  const env = { ...process.env, FROM: from, TO: to };
  const { status } = spawnSync("sh", ["-c", command], { env, stdio: ["ignore", "ignore", "inherit"] });
  if (status !== 0) throw new CriuWasmError("a command of the bench failed", { op: command });
}

const hasCommand = (name: string) => spawnSync(name, ["--version"], { stdio: "ignore" }).status === 0;

/** What people do with CRIU's images; undefined where the commands are not there. */
function tarAndZstd(): Contender | undefined {
  if (!hasCommand("tar") || !hasCommand("zstd")) return undefined;
  return {
    format: "tar + zstd",
    encode: (from, to) => shell('mkdir "$TO" && tar -C "$FROM" -cf - . | zstd -q -T1 -o "$TO/all"', from, to),
    decode: (directory) => shell('zstd -qdc "$FROM/all" | tar -xOf - >/dev/null', directory, ""),
    hasPages: false,
  };
}

const KIB_PAGES = { "4K": 1, "64K": 16, "256K": 64 } as const;

function contenders(): Contender[] {
  const native = (compress: "lz4" | "zstd", region: keyof typeof KIB_PAGES) =>
    ours(`native, ${compress} ${region}`, "native", { compress, regionPages: KIB_PAGES[region] });
  const list = [
    ours("CRIU", "criu", { compress: "none" }),
    ours("CRIU, lz4 by page", "criu", { compress: "lz4" }),
    ours("CRIU, lz4 64K", "criu", { compress: "lz4", regionPages: KIB_PAGES["64K"] }),
    tarAndZstd(),
    ours("native, none", "native", { compress: "none" }),
    native("lz4", "4K"),
    native("lz4", "64K"),
    native("lz4", "256K"),
    native("zstd", "64K"),
    native("zstd", "256K"),
  ];
  return list.filter((contender) => contender !== undefined);
}

/** Bytes of all files under a directory. */
export function sizeOf(directory: string): number {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
}

/** Milliseconds on the clock. */
function timed(work: () => void): number {
  const began = performance.now();
  work();
  return performance.now() - began;
}

/** Page `number` of all streams together. */
function pageAt(streams: readonly PageSource[], number: number): { stream: PageSource; page: number } {
  let page = number;
  for (const stream of streams) {
    if (page < stream.length) return { stream, page };
    page -= stream.length;
  }
  throw new RangeError(`there is no page ${number}`);
}

/** Microseconds for each of some pages of the checkpoint; always the same pages. */
function timePages(directory: string): number[] {
  const reader = openCheckpoint(directory);
  const streams = reader.streams().map((id) => reader.pages(id));
  const total = streams.reduce((sum, { length }) => sum + length, 0);
  let state = 1;
  const times = Array.from({ length: total === 0 ? 0 : SAMPLES }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const { stream, page } = pageAt(streams, state % total);
    return 1000 * timed(() => stream.read(page, 1, () => {}));
  });
  reader.close();
  return times;
}

function quantile(values: number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];
}

/** What `later` takes where `first` is there. */
function bytesOfLater(contender: Contender, first: string, later: string, folder: string): number {
  const to = join(folder, "later");
  try {
    if (contender.inStore === undefined) {
      contender.encode(later, to);
      return sizeOf(to);
    }
    const store = join(folder, "store");
    contender.inStore(first, join(folder, "first"), store);
    const before = sizeOf(join(store, "packs"));
    contender.inStore(later, to, store);
    return sizeOf(join(store, "packs")) - before + sizeOf(to);
  } finally {
    for (const name of ["later", "first", "store"])
      rmSync(join(folder, name), { recursive: true, force: true });
  }
}

/**
 * Measures the checkpoint in the directory `first`, and what the one in `later`, of the same program a little later,
 * takes beside it. What is written goes to `folder`.
 */
export function* measureFormats(
  first: string,
  later: string | undefined,
  folder: string,
): Generator<Progress, { pageBytes: number; rows: FormatRow[] }> {
  const list = contenders();
  const total = list.length * (ROUNDS + 1) + 1;
  let done = 0;
  const plain = join(folder, "plain");
  const plainLater = join(folder, "plain-later");
  copy(first, plain, "criu", { compress: "none" });
  if (later !== undefined) copy(later, plainLater, "criu", { compress: "none" });
  yield { done: ++done, total };
  const reader = openCheckpoint(plain);
  const pageBytes = reader.pageFigures().bytes;
  reader.close();
  const measured = list.map(() => ({
    bytes: 0,
    encode: [] as number[],
    decode: [] as number[],
    page: [] as number[],
  }));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, contender] of list.entries()) {
      const to = join(folder, "made");
      const into = measured[index];
      into.encode.push(timed(() => contender.encode(plain, to)));
      into.bytes = sizeOf(to);
      into.decode.push(timed(() => contender.decode(to)));
      if (contender.hasPages) into.page.push(...timePages(to));
      rmSync(to, { recursive: true });
      yield { done: ++done, total };
    }
  }
  const rows: FormatRow[] = [];
  for (const [index, contender] of list.entries()) {
    const { bytes, encode, decode, page } = measured[index];
    rows.push({
      format: contender.format,
      bytes,
      encode: (1000 * pageBytes) / quantile(encode, 0.5),
      decode: (1000 * pageBytes) / quantile(decode, 0.5),
      ...(page.length > 0 && { page: { p50: quantile(page, 0.5), p99: quantile(page, 0.99) } }),
      ...(later !== undefined && { later: bytesOfLater(contender, plain, plainLater, folder) }),
    });
    yield { done: ++done, total };
  }
  return { pageBytes, rows };
}
