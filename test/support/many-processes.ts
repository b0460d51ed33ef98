/** A checkpoint of many processes and much memory, which takes little room: its pages are holes. */
import { FdTypes, type FileEntry } from "../../ts-host/generated/messages.ts";
import type { PageOptions } from "../../ts-host/images/create.ts";
import { VMA_ANON_PRIVATE, VMA_FILE_PRIVATE, VMA_HEAP, VMA_REGULAR } from "../../ts-host/kinds/memory/vma.ts";
import {
  type HandmadeMapping,
  type HandmadeProcess,
  pageWith,
  regularFile,
  writeHandmade,
} from "./handmade.ts";

const FIRST_PID = 1000;
/** Children of each process. */
const FANOUT = 10;
const LIBRARIES = 16;
const OWN_FILES = 12;
const HEAP = 0x1000000n;
const STACK = 0x7ffc00000000n;
const ARGUMENTS = STACK + 0x1000n;
const PRIVATE_FILE = VMA_REGULAR | VMA_FILE_PRIVATE;
/** The standard descriptors of all processes. */
const NULL = regularFile(3, "/dev/null");
const LOG = regularFile(4, "/var/log/service.log");

function library(number: number): HandmadeMapping[] {
  const start = 0x7f0000000000n + BigInt(number) * 0x1000000n;
  const of = { shmid: 1n, status: PRIVATE_FILE };
  return [
    { start, pages: ["zero", "zero"], entry: { ...of, prot: 1 } },
    { start: start + 0x2000n, pages: Array(64).fill("zero"), entry: { ...of, prot: 5, pgoff: 0x2000n } },
    { start: start + 0x42000n, pages: { count: 2 }, entry: { ...of, pgoff: 0x42000n } },
  ];
}

function processOf(number: number, heapPages: number): HandmadeProcess {
  const pid = FIRST_PID + number;
  const parentPid = number === 0 ? 0 : FIRST_PID + Math.floor((number - 1) / FANOUT);
  const words = `service\0--worker\0${number}\0`;
  const heap: HandmadeMapping = {
    start: HEAP,
    pages: { count: heapPages },
    entry: { status: VMA_REGULAR | VMA_HEAP | VMA_ANON_PRIVATE },
  };
  const stack: HandmadeMapping = { start: STACK, pages: [pageWith("", 0), pageWith(words, 0)] };
  const open = [NULL, LOG, LOG, ...ownFiles(number)];
  return {
    pid,
    parentPid,
    name: `worker ${number}`,
    tids: [1, 2].map((thread) => 100_000 + 2 * number + thread),
    mappings: [heap, ...Array.from({ length: LIBRARIES }, (_, index) => library(index)).flat(), stack],
    descriptors: open.map(({ id }, fd) => ({ id, fd, flags: 0, type: FdTypes.REG })),
    mm: {
      mm_start_stack: STACK + 0x800n,
      mm_arg_start: ARGUMENTS,
      mm_arg_end: ARGUMENTS + BigInt(words.length),
    },
  };
}

function ownFiles(number: number): FileEntry[] {
  return Array.from({ length: OWN_FILES }, (_, index) =>
    regularFile(10 + number * OWN_FILES + index, `/srv/service/${number}/part-${index}`),
  );
}

/** Writes `count` processes, a tree in which each has at most ten children; the first has the pid 1000. */
export function writeManyProcesses(
  directory: string,
  count: number,
  heapPages: number,
  format: "criu" | "native" = "criu",
  options: PageOptions = {},
): void {
  const numbers = Array.from({ length: count }, (_, number) => number);
  const processes = numbers.map((number) => processOf(number, heapPages));
  writeHandmade(directory, processes, format, {
    ...options,
    files: [NULL, LOG, ...numbers.flatMap(ownFiles)],
  });
}
