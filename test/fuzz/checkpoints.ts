/**
 * Whole checkpoints with something wrong in them, through validate, show and core. What is wrong is made where the
 * codec would not look: ids that lead nowhere, records that are missing or twice, numbers that are too large. Each
 * way ends with findings, a value or a typed error.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CriuWasmError } from "../../ts-host/errors.ts";
import { IMAGE_KINDS, type ImageKind } from "../../ts-host/generated/messages.ts";
import type { ImageName, ImageRecord } from "../../ts-host/images/checkpoint.ts";
import { CriuReader } from "../../ts-host/images/criu-reader.ts";
import { imageFileName, writeImage } from "../../ts-host/images/framing.ts";
import { type FieldSchema, messageSchema } from "../../ts-host/images/schema.ts";
import { Checkpoint } from "../../ts-host/offline/checkpoint.ts";
import { writeCore } from "../../ts-host/offline/core/index.ts";
import { summarize } from "../../ts-host/offline/summary.ts";
import { validate } from "../../ts-host/offline/validate/index.ts";
import { MemorySource } from "../support/memory-source.ts";
import { mixedPages, randomNumbers } from "../support/pages.ts";
import { Random } from "../support/random.ts";
import { randomMessage } from "../support/random-messages.ts";
import { pagesWanted, SAMPLES } from "../support/samples.ts";
import { type Finding, PATIENCE } from "./fuzz.ts";
import { mutate } from "./mutate.ts";

type Message = Record<string, unknown>;

/** A checkpoint that CRIU has made, in memory; images that are not changed are parsed once for all. */
class Sample {
  readonly files = new Map<string, Uint8Array>();
  readonly names: ImageName[];
  readonly records = new Map<string, ImageRecord[]>();

  constructor(directory: string) {
    for (const file of readdirSync(directory))
      this.files.set(file, new Uint8Array(readFileSync(join(directory, file))));
    const reader = new CriuReader(new MemorySource(this.files));
    this.names = reader.list().filter(({ kind }) => IMAGE_KINDS[kind].messages.length > 0);
    for (const name of reader.list()) this.records.set(imageFileName(name), reader.read(name));
    for (const [id, count] of pagesWanted(reader))
      this.files.set(`pages-${id}.img`, mixedPages(count, randomNumbers(id)));
  }
}

class ChangedReader extends CriuReader {
  readonly #sample: Sample;
  readonly #files: ReadonlyMap<string, Uint8Array>;

  constructor(sample: Sample, files: Map<string, Uint8Array>) {
    super(new MemorySource(files));
    this.#sample = sample;
    this.#files = files;
  }

  override read<K extends ImageKind>(name: ImageName<K>): ImageRecord<K>[] {
    const file = imageFileName(name);
    const isChanged = this.#files.get(file) !== this.#sample.files.get(file);
    const known = this.#sample.records.get(file) as ImageRecord<K>[] | undefined;
    return isChanged || known === undefined ? super.read(name) : known;
  }
}

const INTERESTING = [0, 1, 2, 7, 0x7f, 0xff, 0xfff, 0x1000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

function otherNumber(random: Random, { type }: FieldSchema, old: unknown): number | bigint {
  const value = BigInt(old as number | bigint);
  const choice = random.below(6);
  let young: bigint;
  if (choice === 0) young = value + BigInt(random.below(5) - 2);
  else if (choice === 1) young = value + (BigInt(random.below(5) - 2) << 12n);
  else if (choice === 2) young = value ^ (1n << BigInt(random.below(64)));
  else if (choice === 3) young = BigInt(random.pick(INTERESTING)) << BigInt(random.pick([0, 0, 12, 32]));
  else if (choice === 4) young = BigInt(random.below(60));
  else young = (BigInt(random.bits()) << 32n) | BigInt(random.bits());
  if (type === "uint32") return Number(BigInt.asUintN(32, young));
  if (type === "int32" || type === "sint32") return Number(BigInt.asIntN(32, young));
  return type === "int64" || type === "sint64" ? BigInt.asIntN(64, young) : BigInt.asUintN(64, young);
}

function otherValue(random: Random, field: FieldSchema, old: unknown): unknown {
  if (field.type === "message") {
    changeMessage(random, field.message!, old as Message);
    return old;
  }
  if (field.type === "bool") return !old;
  if (field.type === "bytes" || field.type === "string")
    return mutate(old as Uint8Array, random, random.bytes(16)).subarray(0, 5000);
  return otherNumber(random, field, old);
}

/** Changes one field, of the message or of one in it. */
function changeMessage(random: Random, type: Parameters<typeof messageSchema>[0], message: Message): void {
  const field = random.pick(messageSchema(type));
  const old = message[field.name];
  if (field.label === "repeated") {
    const values = [...((old as unknown[]) ?? [])];
    const at = random.below(values.length + 1);
    const choice = random.below(5);
    if (values.length === 0) values.push((randomMessage(random, type)[field.name] as unknown[])[0]);
    else if (choice === 0) values.splice(at, 1 + random.below(3));
    else if (choice === 1) values.splice(at, 0, structuredClone(random.pick(values)));
    else if (choice === 2) values.reverse();
    else values[at % values.length] = otherValue(random, field, values[at % values.length]);
    message[field.name] = values.filter((value) => value !== undefined);
  } else if (old === undefined) {
    message[field.name] = randomMessage(random, type)[field.name];
  } else if (field.label === "optional" && random.oneIn(4)) {
    delete message[field.name];
  } else {
    message[field.name] = otherValue(random, field, old);
  }
}

/** Records of an image with one thing changed. */
function changeRecords(random: Random, { kind }: ImageName, before: readonly ImageRecord[]): ImageRecord[] {
  const records = [...before];
  if (records.length === 0) return records;
  const at = random.below(random.oneIn(2) ? records.length : Math.min(4, records.length));
  const choice = random.below(12);
  if (choice === 0) records.splice(at, 1);
  else if (choice === 1) records.splice(at, 0, random.pick(records));
  else if (choice === 2) records.reverse();
  else {
    const { messages } = IMAGE_KINDS[kind];
    const { message, payload } = records[at];
    const changed = structuredClone(message) as unknown as Message;
    changeMessage(random, messages[Math.min(at, messages.length - 1)], changed);
    records[at] = { message: changed, ...(payload === undefined ? {} : { payload }) } as never;
  }
  return records;
}

/** Changes one image, as records, as bytes, or takes it away or the place of another. */
function changeFiles(random: Random, sample: Sample, files: Map<string, Uint8Array>): string {
  const name = random.pick(sample.names);
  const file = imageFileName(name);
  const content = files.get(file);
  if (content === undefined) return file;
  const choice = random.below(20);
  if (choice === 0) files.delete(file);
  else if (choice === 1) files.set(file, files.get(imageFileName(random.pick(sample.names))) ?? content);
  else if (choice < 5) files.set(file, mutate(content, random, random.bytes(32)));
  else {
    const before = content === sample.files.get(file) ? sample.records.get(file)! : undefined;
    if (before === undefined) return file;
    try {
      files.set(file, writeImage(name.kind, changeRecords(random, name, before), file));
    } catch (error) {
      if (!(error instanceof CriuWasmError)) throw error;
    }
  }
  return file;
}

/** What a verb comes to: a word for each thing that is found or refused. */
function outcome(run: () => string): string {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof CriuWasmError)) throw error;
    return error.message.replace(/[\da-f]{2,}|\d+/g, "#");
  }
}

/** Findings of one checkpoint that are looked at: each record of a damaged image may have one. */
const MOST_FINDINGS = 10_000;

function lookAt(open: () => Checkpoint, random: Random): Set<string> {
  const words = new Set<string>();
  words.add(
    outcome(() => {
      let count = 0;
      for (const { message } of validate(open())) {
        words.add(message.replace(/[\da-f]{2,}|\d+/g, "#"));
        if (++count > MOST_FINDINGS) break;
      }
      return "validate";
    }),
  );
  const checkpoint = open();
  words.add(
    outcome(() => {
      for (const process of checkpoint.processes) JSON.stringify(summarize(process, checkpoint), hexadecimal);
      return "show";
    }),
  );
  words.add(
    outcome(() => {
      const steps = writeCore(random.pick([checkpoint.root, ...checkpoint.processes]), NOWHERE);
      while (!steps.next().done);
      return "core";
    }),
  );
  return words;
}

const hexadecimal = (_: string, value: unknown) => (typeof value === "bigint" ? value.toString(16) : value);

/** Most bytes that a core file may have: what is not there is left out. */
const MOST_BYTES = 64 * 2 ** 20;
const NOWHERE = {
  write(bytes: Uint8Array) {
    assert.ok(bytes.length <= MOST_BYTES);
  },
  skip() {},
};

let samples: Sample[] | undefined;

/** Small samples more often than large ones: what is wrong with an image does not depend on the others' size. */
function allSamples(): Sample[] {
  const weights: Record<string, number> = { threads: 1, zoo: 1 };
  samples ??= readdirSync(SAMPLES).flatMap((name) => {
    const sample = new Sample(join(SAMPLES, name));
    return Array.from({ length: weights[name] ?? 6 }, () => sample);
  });
  return samples;
}

/** `count` changed checkpoints, the same for the same seed. */
export function fuzzCheckpoints(count: number, seed: number): { findings: Finding[]; ways: number } {
  const random = new Random(seed);
  const ways = new Set<string>();
  const findings: Finding[] = [];
  for (let done = 0; done < count && findings.length < 10; done++) {
    const sample = random.pick(allSamples());
    const files = new Map(sample.files);
    const changed = Array.from({ length: 1 + random.below(3) }, () => changeFiles(random, sample, files));
    const began = performance.now();
    try {
      for (const word of lookAt(() => Checkpoint.of(new ChangedReader(sample, files)), random))
        ways.add(word);
      if (performance.now() - began > PATIENCE) throw new CriuWasmError("takes too long");
    } catch (error) {
      const target = `checkpoint with ${changed.join(", ")}`;
      findings.push({ target, input: archiveOf(files, changed), error });
    }
  }
  return { findings, ways: ways.size };
}

/** The changed images one after the other, each behind a line with its name and size. */
function archiveOf(files: Map<string, Uint8Array>, names: readonly string[]): Uint8Array {
  const parts = [...new Set(names)].flatMap((name) => {
    const content = files.get(name);
    return [Buffer.from(`${name} ${content?.length ?? "removed"}\n`), content ?? new Uint8Array(0)];
  });
  return Buffer.concat(parts);
}
