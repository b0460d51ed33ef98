/** Creates a checkpoint of a given format. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../errors.ts";
import { DEFAULT_PACK_OPTIONS, type PackOptions } from "../store/pack-writer.ts";
import { MAX_REGION_PAGES } from "../wasm/pages.ts";
import type { CheckpointReader, CheckpointWriter } from "./checkpoint.ts";
import { CriuWriter } from "./criu.ts";
import { MAX_BLOCK_PAGES } from "./criu-compressed.ts";
import { INVENTORY_NAME } from "./criu-reader.ts";
import { NativeWriter } from "./native.ts";
import { METADATA_NAME } from "./native-format.ts";

/** How pages are kept; what is not given is left to the format. */
export interface PageOptions {
  compress?: PackOptions["compress"];
  /** Pages that are compressed together. */
  regionPages?: number;
  /** Directory of a page store; only for the native format. */
  store?: string;
  threads?: number;
}

/** Begins a checkpoint in `directory`; one of the same format that is there is replaced on commit. */
export function createCheckpoint(
  directory: string,
  format: CheckpointReader["format"],
  options: PageOptions = {},
): CheckpointWriter {
  const other = format === "native" ? INVENTORY_NAME : METADATA_NAME;
  if (existsSync(join(directory, other))) {
    throw new UsageError("holds a checkpoint of the other format", {
      file: directory,
      hint: "give another directory, or remove it first",
    });
  }
  return format === "native" ? nativeWriter(directory, options) : criuWriter(directory, options);
}

function checkRegion(pages: number | undefined, most: number): void {
  if (pages === undefined || pages <= most) return;
  throw new UsageError(`regions of ${pages} pages are too large: ${most} at most`);
}

function nativeWriter(directory: string, options: PageOptions): NativeWriter {
  checkRegion(options.regionPages, MAX_REGION_PAGES);
  const { compress, regionPages, threads } = { ...DEFAULT_PACK_OPTIONS, ...defined(options) };
  return new NativeWriter(directory, { compress, regionPages, threads, store: options.store });
}

/** CRIU's images are compressed where this is asked for, page by page unless regions are. */
function criuWriter(directory: string, { compress, regionPages, store }: PageOptions): CriuWriter {
  if (store !== undefined) throw new UsageError("only native checkpoints can share a store");
  if (compress === "zstd") throw new UsageError("CRIU's format knows LZ4 only, not zstd");
  checkRegion(regionPages, MAX_BLOCK_PAGES);
  const compressed = compress === "lz4" || (compress === undefined && regionPages !== undefined);
  return new CriuWriter(directory, compressed ? (regionPages ?? 1) : undefined);
}

function defined<T extends object>(options: T): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>;
}
