/** Options that say how pages are compressed. */
import { InvalidArgumentError, Option } from "commander";
import type { PageOptions } from "../images/create.ts";
import { PAGE_SIZE } from "../wasm/pages.ts";
import { size } from "./options.ts";

/** What the options below parse into. */
export interface CompressOptions {
  compress?: PageOptions["compress"];
  /** In pages. */
  compressRegion?: number;
}

/** A size of whole pages, as a number of them. */
function pages(text: string): number {
  const count = Number(size(text)) / PAGE_SIZE;
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError("must be a multiple of 4K.");
  return count;
}

export const compressMethod = () =>
  new Option(
    "-c, --compress [method]",
    "none, lz4 or zstd: how pages are compressed; zstd makes them smaller and takes longer (default: lz4, in CRIU's format none)",
  )
    .choices(["none", "lz4", "zstd"])
    .preset("lz4");
export const compressRegion = () =>
  new Option(
    "--compress-region [size]",
    "compress so much at once, and read it back at once: 4K to 256K, in CRIU's format to 4M (default: 64K, in CRIU's format each page by itself)",
  )
    .argParser(pages)
    .preset("256K");
