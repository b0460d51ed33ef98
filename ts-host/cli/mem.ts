/** criu-wasm mem: the memory of the processes of a checkpoint: what there is, as a hexdump, as a file. */
import { Argument, type Command } from "commander";
import { UsageError } from "../errors.ts";
import { OutputFile } from "../images/files.ts";
import type { Checkpoint } from "../offline/checkpoint.ts";
import { hexdump, writeRaw } from "../offline/hexdump.ts";
import type { Mapping } from "../offline/mapping.ts";
import { inParts } from "../offline/memory.ts";
import type { Process } from "../offline/process.ts";
import type { Progress } from "../offline/progress.ts";
import { isSelected, type Selection, selectedProcesses } from "../offline/select.ts";
import { type Manual, newCommand } from "./command.ts";
import { openInput, readsCheckpoint } from "./input.ts";
import { addressIn, kind, pid, prot, type SelectionOptions, selectionOf } from "./memory-options.ts";
import { json, size } from "./options.ts";
import { inNewFile } from "./output.ts";
import { runSteps } from "./progress.ts";
import { machineJson, type Terminal } from "./terminal.ts";
import { bytes } from "./units.ts";

interface Options extends SelectionOptions {
  imagesDir: string;
  at?: string;
  length?: bigint;
  out?: string;
  json?: boolean;
}

const STEP_PAGES = 256;
/** Bytes that are dumped where nothing is said of the length. */
const FEW = 256n;

/** Bytes of a mapping by where their content is. */
function sizesOf(process: Process, mapping: Mapping) {
  const sizes = { stored: 0n, parent: 0n, zero: 0n, outside: 0n };
  for (const { start, end, content } of process.memory.piecesOf(mapping)) {
    const where = content.is === "stored" && content.generation > 0 ? "parent" : content.is;
    sizes[where] += end - start;
  }
  return sizes;
}

function rowsOf(process: Process, selection: Selection) {
  return process.mappings
    .filter((mapping) => isSelected(mapping, selection))
    .map((mapping) => {
      const { start, end, protection, kind, name } = mapping;
      return { pid: process.pid, start, end, protection, kind, name, ...sizesOf(process, mapping) };
    });
}

type Row = ReturnType<typeof rowsOf>[number];

function* allRows(checkpoint: Checkpoint, selection: Selection): Generator<Progress, Row[]> {
  const rows: Row[] = [];
  const processes = selectedProcesses(checkpoint, selection);
  for (const [done, process] of processes.entries()) {
    yield { done, total: processes.length };
    rows.push(...rowsOf(process, selection));
  }
  return rows;
}

async function list(checkpoint: Checkpoint, options: Options, terminal: Terminal): Promise<void> {
  const rows = await runSteps("mem list", allRows(checkpoint, selectionOf(options)), terminal);
  if (options.json) return terminal.print(machineJson({ mappings: rows }));
  const kib = (count: bigint) => `${count / 1024n}`.padStart(10);
  await terminal.print(
    `${"pid".padStart(7)}  ${"address".padEnd(25)}  prot  ${"kind".padEnd(12)}${"stored KiB".padStart(10)}${"zero".padStart(10)}${"elsewhere".padStart(10)}  name\n`,
  );
  for (const { pid, start, end, protection, kind, name, stored, parent, zero, outside } of rows) {
    const range = `${start.toString(16)}-${end.toString(16)}`.padEnd(25);
    const sizes = `${kib(stored + parent)}${kib(zero)}${kib(outside)}`;
    await terminal.print(
      `${`${pid}`.padStart(7)}  ${range}  ${protection}  ${kind.padEnd(12)}${sizes}  ${name}\n`,
    );
  }
}

/** The process and the range that --pid, --at and --length say. */
function rangeOf(checkpoint: Checkpoint, { pid, at, length }: Options) {
  const process = pid === undefined ? checkpoint.root : checkpoint.process(pid);
  if (at === undefined) throw new UsageError("--at says which address");
  const start = addressIn(process, at);
  return { process, start, length };
}

async function dump(checkpoint: Checkpoint, options: Options, terminal: Terminal): Promise<void> {
  const { process, start, length = FEW } = rangeOf(checkpoint, options);
  for (const line of hexdump(process, start, length)) await terminal.print(`${line}\n`);
}

/** The bytes of a range, all of which must be in the images. */
function* rawBytes(
  process: Process,
  start: bigint,
  end: bigint,
  file: OutputFile,
): Generator<Progress, void> {
  const total = Number(end - start);
  for (let at = start; at < end; ) {
    const mapping = process.mappingAt(at);
    if (mapping === undefined) throw new UsageError(`nothing is mapped at 0x${at.toString(16)}`);
    const until = mapping.end < end ? mapping.end : end;
    for (const piece of process.memory.piecesOf(mapping, at, until)) {
      if (piece.content.is === "outside") {
        throw new UsageError(`0x${piece.start.toString(16)} is not in the images: ${piece.content.why}`);
      }
      for (const part of inParts(piece, STEP_PAGES)) {
        yield { done: Number(part.start - start), total };
        writeRaw(part, (view) => file.write(view));
      }
    }
    at = until;
  }
}

async function extract(checkpoint: Checkpoint, options: Options, terminal: Terminal): Promise<void> {
  const { out } = options;
  if (out === undefined) throw new UsageError("--out says into which file");
  const { process, start, length } = rangeOf(checkpoint, options);
  const end = length === undefined ? process.mappingAt(start)?.end : start + length;
  if (end === undefined) throw new UsageError(`nothing is mapped at 0x${start.toString(16)}`);
  await inNewFile(out, async (growing) => {
    const file = new OutputFile(growing);
    try {
      await runSteps("mem extract", rawBytes(process, start, end, file), terminal);
    } finally {
      file.close();
    }
  });
  const result = { pid: process.pid, start, end, file: out };
  await terminal.print(options.json ? machineJson(result) : `${out}: ${bytes(Number(end - start))}\n`);
}

const ACTIONS = { list, hexdump: dump, extract };

async function mem(action: keyof typeof ACTIONS, options: Options, terminal: Terminal): Promise<void> {
  const checkpoint = await openInput(options.imagesDir, terminal);
  await ACTIONS[action](checkpoint, options, terminal);
  checkpoint.close();
}

const MANUAL: Manual = {
  name: "mem",
  synopsis: "[list|hexdump|extract [PATH]] [-p PID] [--at ADDRESS [--length SIZE]] [-o FILE]",
  description: [
    "list: the mappings of the processes, and how much of each is stored in the images, is zero because nobody wrote to it, or is elsewhere: unchanged pages of mapped files, what the kernel makes up.",
    "hexdump: bytes from --at on, 256 of them unless --length says otherwise. extract: the same as they are, into a file; without --length to the end of the mapping.",
    "An address is hexadecimal or decimal, or the kind of a mapping: heap, stack.",
  ],
  examples: [
    ["criu-wasm mem -D images -p 812 --kind heap,stack", "Heap and stack of process 812."],
    ["criu-wasm mem hexdump -p 812 --at 0x7ffea8723cd0 --length 64", "What the stack pointer points to."],
    ["criu-wasm mem extract -p 812 --at heap -o heap.bin", "The heap as a file."],
  ],
};

export function memCommand(terminal: Terminal): Command {
  return readsCheckpoint(
    newCommand(MANUAL).addArgument(
      new Argument("[action]", "what to do").choices(Object.keys(ACTIONS)).default("list"),
    ),
  )
    .addOption(pid())
    .addOption(kind())
    .addOption(prot())
    .option("--at <address>", "where to begin")
    .option("--length <size>", "how many bytes: 64, 4K, 1M", size)
    .option("-o, --out <file>", "file for extract")
    .addOption(json())
    .action((action: keyof typeof ACTIONS, _path, options: Options) => mem(action, options, terminal));
}
