/** The notes of a core dump: what a debugger wants to know beyond the memory. */
import { BinaryWriter } from "../../images/binary.ts";
import {
  elfPrpsinfo,
  elfPrstatus,
  NT_AUXV,
  NT_FILE,
  NT_PRPSINFO,
  NT_PRSTATUS,
  NT_SIGINFO,
} from "../../kernel/abi/elf.ts";
import { PAGE_SIZE } from "../page-index.ts";
import type { Process, Thread } from "../process.ts";
import { stateOf, words } from "./machine.ts";

export interface Note {
  /** "CORE" or "LINUX": whose numbers `type` is one of. */
  owner: string;
  type: number;
  content: Uint8Array;
}

const SIGINFO_SIZE = 128;
const COMM_SIZE = 16;
const ARGUMENTS_SIZE = 80;
const encoder = new TextEncoder();

/** All notes of a process in the order in which the kernel writes them: its leading thread first. */
export function notesOf(process: Process): { machine: number; notes: Note[] } {
  const [leader, ...others] = process.threads;
  const { machine, notes } = threadNotes(process, leader);
  const all: Note[] = [
    notes[0],
    { owner: "CORE", type: NT_PRPSINFO, content: processInfo(process) },
    // No signal stopped it: the debugger is told so.
    { owner: "CORE", type: NT_SIGINFO, content: new Uint8Array(SIGINFO_SIZE) },
    { owner: "CORE", type: NT_AUXV, content: words([...(process.mm?.mm_saved_auxv ?? []), 0n, 0n]) },
    { owner: "CORE", type: NT_FILE, content: mappedFiles(process) },
    ...notes.slice(1),
  ];
  for (const thread of others) all.push(...threadNotes(process, thread).notes);
  return { machine, notes: all };
}

function threadNotes(process: Process, thread: Thread): { machine: number; notes: Note[] } {
  const { machine, registers, notes } = stateOf(thread.core);
  const { pgid, sid } = process.entry;
  const head = elfPrstatus.pack({
    pr_sighold: thread.core.thread_core?.blk_sigset ?? process.core.tc?.blk_sigset ?? 0n,
    pr_pid: thread.tid,
    pr_ppid: process.parentPid,
    pr_pgrp: pgid,
    pr_sid: sid,
  });
  const start = elfPrstatus.offsets.pr_reg;
  const content = new Uint8Array(start + registers.length + 8);
  content.set(head.subarray(0, start));
  content.set(registers, start);
  // pr_fpvalid
  content[start + registers.length] = 1;
  return { machine, notes: [{ owner: "CORE", type: NT_PRSTATUS, content }, ...notes] };
}

const STATE_LETTERS: Record<string, string> = { running: "R", stopped: "T", zombie: "Z" };

function processInfo(process: Process): Uint8Array {
  const { pgid, sid } = process.entry;
  const creds = process.core.thread_core?.creds;
  return elfPrpsinfo.pack({
    pr_sname: (STATE_LETTERS[process.state] ?? "R").charCodeAt(0),
    pr_nice: (process.core.thread_core?.sched_nice ?? 0) & 0xff,
    pr_flag: BigInt(process.core.tc?.flags ?? 0),
    pr_uid: creds?.uid ?? 0,
    pr_gid: creds?.gid ?? 0,
    pr_pid: process.pid,
    pr_ppid: process.parentPid,
    pr_pgrp: pgid,
    pr_sid: sid,
    pr_fname: encoder.encode(process.name).subarray(0, COMM_SIZE - 1),
    pr_psargs: encoder.encode(process.arguments.join(" ")).subarray(0, ARGUMENTS_SIZE - 1),
  });
}

/** Which file is mapped where: a debugger finds the symbols of libraries by it. */
function mappedFiles(process: Process): Uint8Array {
  const mapped = process.mappings.filter(({ file }) => file?.reg !== undefined);
  const content = new BinaryWriter().u64(mapped.length).u64(PAGE_SIZE);
  for (const { start, end, entry } of mapped) {
    content
      .u64(start)
      .u64(end)
      .u64(entry.pgoff / BigInt(PAGE_SIZE));
  }
  for (const { file } of mapped) content.bytes(file!.reg!.name).bytes(new Uint8Array(1));
  return content.result();
}

/** The content of the note segment. */
export function encodeNotes(notes: readonly Note[]): Uint8Array {
  const to = new BinaryWriter();
  for (const { owner, type, content } of notes) {
    const name = encoder.encode(`${owner}\0`);
    to.u32(name.length).u32(content.length).u32(type).bytes(name).padTo(4).bytes(content).padTo(4);
  }
  return to.result();
}
