/** criu-wasm info: what a checkpoint, or an image file, is and what it takes. */
import type { Command } from "commander";
import { namesImage, openImage } from "../offline/image-file.ts";
import { type CheckpointInfo, type ImageInfo, infoOfCheckpoint, infoOfImage } from "../offline/info.ts";
import { type Manual, newCommand } from "./command.ts";
import { openInput, readsCheckpoint } from "./input.ts";
import { json } from "./options.ts";
import { runSteps } from "./progress.ts";
import { machineJson, type Terminal } from "./terminal.ts";
import { bytes, counted, grouped } from "./units.ts";

interface Options {
  imagesDir: string;
  json?: boolean;
}

function imageLine(file: string, { kind, count, size }: ImageInfo, width: number): string {
  const records = count === undefined ? "raw bytes" : counted(count, "record");
  return `    ${file.padEnd(width)}  ${kind.padEnd(16)}  ${records.padEnd(14)}  ${bytes(size)}`;
}

function pageLines({
  pages,
  zero,
  kept,
  bytes: taken,
  inParent,
  lazy,
  pageSize,
}: CheckpointInfo["pages"]): string[] {
  const duplicates = pages - zero - kept;
  const raw = kept * pageSize;
  const lines = [`pages: ${grouped(pages)}, ${bytes(pages * pageSize)} of memory`];
  if (zero > 0) lines.push(`    ${grouped(zero)} zero, not stored`);
  if (duplicates > 0) lines.push(`    ${grouped(duplicates)} equal to others, stored once`);
  const ratio = taken === raw || raw === 0 ? "" : `, ${Math.round((100 * taken) / raw)} % of ${bytes(raw)}`;
  lines.push(`    ${grouped(kept)} stored in ${bytes(taken)}${ratio}`);
  if (inParent > 0) lines.push(`    ${grouped(inParent)} more are in the parent checkpoint`);
  if (lazy > 0) lines.push(`    ${grouped(lazy)} more are lazy: another process serves them`);
  return lines;
}

function checkpointLines(path: string, info: CheckpointInfo): string[] {
  const { format, imageVersion, processes, threads, images, pages, hasParent } = info;
  const width = Math.max(...images.map(({ file }) => file.length));
  const total = images.reduce((sum, { size }) => sum + size, 0);
  return [
    `${path}: checkpoint, ${format === "criu" ? "CRIU's format" : "native format"}, images of version ${imageVersion}`,
    `${counted(processes, "process")}, ${counted(threads, "thread")}`,
    ...(hasParent ? ["continues the checkpoint in parent"] : []),
    ...pageLines(pages),
    `${counted(images.length, "image")} besides, ${bytes(total)}:`,
    ...images.map((image) => imageLine(image.file, image, width)),
  ];
}

async function info({ imagesDir: path, json: asJson = false }: Options, terminal: Terminal): Promise<void> {
  if (namesImage(path)) {
    const image = infoOfImage(openImage(path));
    await terminal.print(asJson ? machineJson(image) : `${imageLine(path, image, 0).trimStart()}\n`);
    return;
  }
  const checkpoint = await openInput(path, terminal);
  try {
    const found = await runSteps("info", infoOfCheckpoint(checkpoint), terminal);
    await terminal.print(asJson ? machineJson(found) : `${checkpointLines(path, found).join("\n")}\n`);
  } finally {
    checkpoint.close();
  }
}

const MANUAL: Manual = {
  name: "info",
  synopsis: "[PATH] [--json]",
  description: [
    "Tells what PATH is: the directory of a checkpoint, by default the current one, a tar archive of it, or one image. Of a checkpoint it tells the format, the images in it, and what its pages take: how many are zero, stored once for several, and compressed. Of an image it tells kind, records and size.",
    'With --json, "magic" and "count" are what CRIU\'s crit info prints.',
  ],
  examples: [
    ["criu-wasm info images", "What is in the directory images."],
    ["criu-wasm info images/core-812.img --json", "What this image is, for machines."],
  ],
};

export function infoCommand(terminal: Terminal): Command {
  return readsCheckpoint(newCommand(MANUAL))
    .addOption(json())
    .action((_path, options: Options) => info(options, terminal));
}
