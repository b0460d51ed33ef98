/**
 * A copy of a checkpoint in which what a pattern finds is overwritten: for giving it to others.
 *
 * Overwritten are hits in the memory of processes, and in what the images keep as bytes: what is under way in
 * pipes, sockets and terminals, deleted files. Left are names, paths and addresses, which the images refer to each
 * other by, and registers; hits in names are reported. Whatever is written in another way (another encoding,
 * compressed, encrypted, in pieces that lie apart) is not found.
 */
import { UnsupportedError } from "../errors.ts";
import { IMAGE_KINDS, type ImageKind, type MessageName } from "../generated/messages.ts";
import type { CheckpointWriter, ImageName, ImageRecord } from "../images/checkpoint.ts";
import { imageFileName } from "../images/framing.ts";
import { messageSchema } from "../images/schema.ts";
import { Haystack } from "../wasm/haystack.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { type Changes, copyCheckpoint } from "./copy.ts";
import { PAGE_SIZE } from "./page-index.ts";
import type { Progress } from "./progress.ts";
import { type Hit, type Pattern, search } from "./search/index.ts";
import type { Selection } from "./select.ts";

export interface ScrubSummary {
  /** Hits in memory that were overwritten; memory that processes share counts for each. */
  inMemory: number;
  /** Hits in queues and deleted files that were overwritten. */
  inImages: number;
  /** Names in which the pattern is found still. */
  left: { file: string; record: number; field: string; text: string }[];
}

/** Bytes of a page stream that are to be overwritten: pairs of offset and length, sorted in the end. */
type Patches = Map<number, { offset: number; length: number }[]>;

/** `filler` is repeated over what is found. @throws UnsupportedError where a hit lies in a parent checkpoint */
export function* scrub(
  checkpoint: Checkpoint,
  writer: CheckpointWriter,
  pattern: Pattern,
  filler: Uint8Array = new Uint8Array(1),
  selection: Selection = {},
): Generator<Progress, ScrubSummary> {
  const summary: ScrubSummary = { inMemory: 0, inImages: 0, left: [] };
  const patches: Patches = new Map();
  let isFound = false;
  try {
    for (const step of search(checkpoint, pattern, selection)) {
      if (!("address" in step)) {
        yield step;
        continue;
      }
      summary.inMemory++;
      const { process, mapping, address, length } = step;
      for (const piece of process.memory.piecesOf(mapping, address, address + BigInt(length))) {
        const { start, end, content } = piece;
        if (content.is !== "stored") continue;
        if (content.generation > 0) {
          throw new UnsupportedError(`address 0x${start.toString(16)} is found in a parent checkpoint`, {
            pid: process.pid,
            hint: "criu-wasm squash makes one checkpoint of the chain",
          });
        }
        const offset = content.first * PAGE_SIZE + Number(start % BigInt(PAGE_SIZE));
        const list = patches.get(content.pagesId) ?? [];
        patches.set(content.pagesId, list);
        list.push({ offset, length: Number(end - start) });
      }
    }
    isFound = true;
  } finally {
    if (!isFound) writer.abort();
  }
  for (const list of patches.values()) list.sort((left, right) => left.offset - right.offset);
  yield* copyCheckpoint(checkpoint.reader, writer, changesOf(pattern, filler, patches, summary));
  return summary;
}

function changesOf(pattern: Pattern, filler: Uint8Array, patches: Patches, summary: ScrubSummary): Changes {
  const haystack = new Haystack();
  const hits = (bytes: Uint8Array): Generator<Hit> => {
    haystack.bytes(bytes.length).set(bytes);
    return pattern.find(haystack, 0, bytes.length);
  };
  return {
    image<K extends ImageKind>(name: ImageName<K>, records: ImageRecord<K>[]) {
      if (name.kind === "PAGEMAP" || name.kind === "SHMEM_PAGEMAP") return { name, records };
      const scrubbed = records.map((record, index) =>
        scrubRecord(name, record, index, hits, filler, summary),
      );
      return { name, records: scrubbed as ImageRecord<K>[] };
    },
    pages(id, first, pages) {
      const start = first * PAGE_SIZE;
      const list = patches.get(id) ?? [];
      for (let index = firstFrom(list, start - pattern.longest); index < list.length; index++) {
        const { offset, length } = list[index];
        if (offset >= start + pages.length) return;
        const end = Math.min(offset + length - start, pages.length);
        for (let at = Math.max(0, offset - start); at < end; at++) {
          pages[at] = filler[(start + at - offset) % filler.length];
        }
      }
    },
  };
}

/** Index of the first patch that begins at or after `offset`. */
function firstFrom(list: readonly { offset: number }[], offset: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle].offset < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

function scrubRecord(
  name: ImageName,
  { message, payload }: ImageRecord,
  record: number,
  hitsIn: (bytes: Uint8Array) => Generator<Hit>,
  filler: Uint8Array,
  summary: ScrubSummary,
): ImageRecord {
  const file = imageFileName(name);
  const overwrite = (bytes: Uint8Array): Uint8Array => {
    const hits = [...hitsIn(bytes)];
    if (hits.length === 0) return bytes;
    summary.inImages += hits.length;
    const copy = bytes.slice();
    for (const { start, length } of hits) {
      for (let at = 0; at < length; at++) copy[start + at] = filler[at % filler.length];
    }
    return copy;
  };
  const { messages } = IMAGE_KINDS[name.kind];
  const type = messages[Math.min(record, messages.length - 1)];
  const visit = (type: MessageName, value: Record<string, unknown>, path: string): object => {
    const changed: Record<string, unknown> = { ...value };
    for (const field of messageSchema(type)) {
      const values = value[field.name];
      if (values === undefined) continue;
      const each = (element: unknown): unknown => {
        const where = path + field.name;
        if (field.type === "message")
          return visit(field.message!, element as Record<string, unknown>, `${where}.`);
        if (field.type === "bytes") return overwrite(element as Uint8Array);
        if (field.type === "string" && !hitsIn(element as Uint8Array).next().done) {
          summary.left.push({
            file,
            record,
            field: where,
            text: new TextDecoder().decode(element as Uint8Array),
          });
        }
        return element;
      };
      changed[field.name] = Array.isArray(values) ? values.map(each) : each(values);
    }
    return changed;
  };
  const scrubbed =
    type === undefined ? message : visit(type, message as unknown as Record<string, unknown>, "");
  const result = { message: scrubbed } as ImageRecord;
  return payload === undefined ? result : { ...result, payload: overwrite(payload) };
}
