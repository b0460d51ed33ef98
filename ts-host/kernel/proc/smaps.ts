/** /proc/PID/smaps: what maps has, and the flags of each mapping. */
import { parseMapsLine, type Vma } from "./maps.ts";
import { decimal, malformed, type Place, textOf } from "./text.ts";

export interface SmapsVma extends Vma {
  /** In bytes: 4096, or the size of a huge page of hugetlbfs. */
  kernelPageSize: number;
  /** 0 where the machine has no protection keys. */
  protectionKey: number;
  /**
   * The two-letter words of VmFlags (filesystems/proc.rst): "sh" shared, "gd" grows down, "lo" locked,
   * "io" device memory, "pf" page frame numbers only, "dc" not copied on fork, "wf" wiped on fork, "dd" not
   * in core dumps, "ht" hugetlb, "hg"/"nh" huge pages wanted or not, "mg" mergeable, "um"/"uw" userfaultfd,
   * "ss" shadow stack, "sl" sealed … One set is shared by all mappings with the same words.
   */
  flags: ReadonlySet<string>;
}

const PAGE_SIZE_LINE = "\nKernelPageSize:";
const KEY_LINE = "\nProtectionKey:";
const FLAGS_LINE = "\nVmFlags:";

/**
 * Parses smaps as it is read: `chunks` are its bytes, cut anywhere. A mapping takes about 900 bytes of text
 * of which little matters, so the rest is skipped without being split into lines. Line numbers in errors are
 * those of the first line of the mapping.
 */
export function* parseSmaps(chunks: Iterable<Uint8Array>, file: string): Generator<SmapsVma> {
  const flagSets = new Map<string, ReadonlySet<string>>();
  let line = 1;
  let text = "";

  function flagSet(words: string): ReadonlySet<string> {
    let set = flagSets.get(words);
    if (set === undefined) {
      set = new Set(words.split(" ").filter((word) => word !== ""));
      flagSets.set(words, set);
    }
    return set;
  }

  for (const chunk of chunks) {
    text += textOf(chunk);
    let start = 0;
    for (;;) {
      const flagsAt = text.indexOf(FLAGS_LINE, start);
      const end = flagsAt < 0 ? -1 : text.indexOf("\n", flagsAt + 1);
      if (end < 0) break;
      const place = { file, line };
      const headEnd = text.indexOf("\n", start);
      yield {
        ...parseMapsLine(text.slice(start, headEnd), place),
        kernelPageSize: kernelPageSize(text, headEnd, place),
        protectionKey: protectionKey(text, flagsAt, place),
        flags: flagSet(text.slice(flagsAt + FLAGS_LINE.length, end)),
      };
      line += newlines(text, start, end);
      start = end + 1;
    }
    text = text.slice(start);
  }
  if (text !== "") throw malformed({ file, line }, "mapping", "a VmFlags line", text);
}

/** It stands in the second line after the head. */
function kernelPageSize(text: string, headEnd: number, place: Place): number {
  const at = text.indexOf("\n", headEnd + 1);
  const end = text.indexOf("\n", at + 1);
  if (!text.startsWith(PAGE_SIZE_LINE, at)) {
    throw malformed(place, "KernelPageSize", "a line with this name", text.slice(at + 1, end));
  }
  const value = text.slice(at + PAGE_SIZE_LINE.length, end).trim();
  return decimal(value.replace(/ kB$/, ""), place, "KernelPageSize") * 1024;
}

/** If there, it stands in the line before VmFlags. */
function protectionKey(text: string, flagsAt: number, place: Place): number {
  const at = text.lastIndexOf("\n", flagsAt - 1);
  if (!text.startsWith(KEY_LINE, at)) return 0;
  return decimal(text.slice(at + KEY_LINE.length, flagsAt).trim(), place, "ProtectionKey");
}

/** Number of newlines from `start` to `end`, inclusive. */
function newlines(text: string, start: number, end: number): number {
  let count = 0;
  for (let at = text.indexOf("\n", start); at >= 0 && at <= end; at = text.indexOf("\n", at + 1)) count++;
  return count;
}
