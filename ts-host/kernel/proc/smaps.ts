/** /proc/PID/smaps: what maps has, and the flags of each mapping. */
import { parseMapsLine, type Vma } from "./maps.ts";
import { decimal, malformed, type Place } from "./text.ts";

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

const NEWLINE = 0x0a;
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
  let rest: Buffer = Buffer.alloc(0);

  function flagSet(words: string): ReadonlySet<string> {
    let set = flagSets.get(words);
    if (set === undefined) {
      set = new Set(words.split(" ").filter((word) => word !== ""));
      flagSets.set(words, set);
    }
    return set;
  }

  for (const chunk of chunks) {
    const bytes = Buffer.concat([rest, chunk]);
    let start = 0;
    for (;;) {
      const flagsAt = bytes.indexOf(FLAGS_LINE, start, "latin1");
      const end = flagsAt < 0 ? -1 : bytes.indexOf(NEWLINE, flagsAt + 1);
      if (end < 0) break;
      const place = { file, line };
      const headEnd = bytes.indexOf(NEWLINE, start);
      const body = bytes.toString("latin1", headEnd, flagsAt);
      yield {
        ...parseMapsLine(bytes.toString("latin1", start, headEnd), place),
        kernelPageSize: kilobytes(lineValue(body, PAGE_SIZE_LINE), place) * 1024,
        protectionKey: decimal(lineValue(body, KEY_LINE) ?? "0", place, "ProtectionKey"),
        flags: flagSet(bytes.toString("latin1", flagsAt + FLAGS_LINE.length, end)),
      };
      line += 1 + body.split("\n").length;
      start = end + 1;
    }
    rest = bytes.subarray(start);
  }
  if (rest.length > 0)
    throw malformed({ file, line }, "mapping", "a VmFlags line", rest.toString("latin1", 0, 80));
}

/** What follows the label in the line that starts with it, or undefined. */
function lineValue(body: string, label: string): string | undefined {
  const at = body.indexOf(label);
  if (at < 0) return undefined;
  const end = body.indexOf("\n", at + 1);
  return body.slice(at + label.length, end < 0 ? undefined : end).trim();
}

function kilobytes(text: string | undefined, place: Place): number {
  const number = text?.endsWith(" kB") ? text.slice(0, -3) : text;
  return decimal(number, place, "KernelPageSize");
}
