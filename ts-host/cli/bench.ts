/** criu-wasm bench: a checkpoint in each format, side by side. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { fileCall } from "../images/files.ts";
import { openCheckpoint } from "../images/open.ts";
import { type FormatRow, measureFormats } from "../offline/bench/formats.ts";
import { type EncodingRow, measureMetadata } from "../offline/bench/metadata.ts";
import { plotFormats, shortNumber } from "../offline/bench/plot.ts";
import { type Manual, newCommand } from "./command.ts";
import { readsCheckpoint } from "./input.ts";
import { onSignal } from "./leftovers.ts";
import { imagesDir, json } from "./options.ts";
import { runSteps } from "./progress.ts";
import { machineJson, type Terminal } from "./terminal.ts";
import { bytes, counted } from "./units.ts";

interface Options {
  imagesDir: string;
  later?: string;
  svg?: string;
  json?: boolean;
}

/** Columns as wide as their widest cell; all but the first stand to the right. */
function table(rows: readonly string[][]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column])))
      .join("  "),
  );
  return `${lines.map((line) => line.trimEnd()).join("\n")}\n`;
}

export function formatTable(rows: readonly FormatRow[]): string {
  const hasLater = rows.some(({ later }) => later !== undefined);
  const head = [
    "",
    "size",
    "write MB/s",
    "read MB/s",
    "page p50",
    "p99",
    ...(hasLater ? ["a second one"] : []),
  ];
  const body = rows.map(({ format, bytes: size, encode, decode, page, later }) => [
    format,
    bytes(size),
    shortNumber(encode / 1e6),
    shortNumber(decode / 1e6),
    ...(page ? [page.p50, page.p99].map((time) => `${shortNumber(time)} µs`) : ["all of it", ""]),
    ...(hasLater ? [bytes(later ?? 0)] : []),
  ]);
  return table([head, ...body]);
}

export function encodingTable(rows: readonly EncodingRow[]): string {
  const time = (microseconds: number) => `${shortNumber(microseconds / 1000)} ms`;
  const body = rows.map(({ encoding, bytes: size, encode, decode, field }) => [
    encoding,
    bytes(size),
    ...[encode, decode, field].map(time),
  ]);
  return table([["", "size", "encode", "decode", "read one field of each"], ...body]);
}

async function bench(options: Options, terminal: Terminal): Promise<void> {
  const { imagesDir: directory } = options;
  const folder = mkdtempSync(join(tmpdir(), "criu-wasm-bench-"));
  const clear = () => rmSync(folder, { recursive: true, force: true });
  const callOff = onSignal(clear);
  try {
    const formats = await runSteps("bench", measureFormats(directory, options.later, folder), terminal);
    const reader = openCheckpoint(directory);
    const metadata = measureMetadata(reader);
    reader.close();
    const what = `${bytes(formats.pageBytes)} of pages`;
    if (options.svg !== undefined) {
      const plot = plotFormats(`A checkpoint with ${what}, in each format`, formats.rows);
      fileCall("write", options.svg, () => writeFileSync(options.svg!, plot));
    }
    await terminal.print(
      options.json
        ? machineJson({ formats, metadata })
        : `${what}\n${formatTable(formats.rows)}\n${counted(metadata.messages, "message")}\n${encodingTable(metadata.rows)}`,
    );
  } finally {
    callOff();
    clear();
  }
}

const MANUAL: Manual = {
  name: "bench",
  synopsis: "[PATH] [--later DIR] [--svg FILE] [--json]",
  description: [
    "Writes and reads a checkpoint of yours in each format that there is, and tells what it takes: bytes, speed, and how long it takes to get at one page somewhere. The formats are CRIU's, as it is and compressed with LZ4, the same in a tar archive with zstd, where both commands are installed, and the native one with each setting.",
    "Given a second checkpoint of the same program with --later, it tells how many bytes that takes beside the first: where both share a page store, what has changed.",
    "Everything is measured three times, with one thread, from and to files in the directory for temporary files (TMPDIR), which needs three times the room of the checkpoint's memory; the median counts.",
  ],
  examples: [
    ["criu-wasm bench images", "A table of formats, and one of messages."],
    [
      "TMPDIR=/dev/shm criu-wasm bench monday --later tuesday --svg formats.svg",
      "Without a disk, as a picture too.",
    ],
  ],
};

export function benchCommand(terminal: Terminal): Command {
  return readsCheckpoint(newCommand(MANUAL), imagesDir())
    .option("--later <dir>", "a checkpoint of the same program, a little later")
    .option("--svg <file>", "write a picture of the figures")
    .addOption(json())
    .action((_path, options: Options) => bench(options, terminal));
}
