/** Options that say which memory is meant. */
import { InvalidArgumentError, Option } from "commander";
import { UsageError } from "../errors.ts";
import { MAPPING_KINDS, type MappingKind } from "../offline/mapping.ts";
import type { Process } from "../offline/process.ts";
import type { Selection } from "../offline/select.ts";
import { positiveInteger } from "./options.ts";

/** What the options below parse into. */
export interface SelectionOptions {
  pid?: number;
  kind?: MappingKind[];
  prot?: string;
}

function kinds(text: string, before: MappingKind[] = []): MappingKind[] {
  const names = text.split(",") as MappingKind[];
  const unknown = names.find((name) => !MAPPING_KINDS.includes(name));
  if (unknown !== undefined)
    throw new InvalidArgumentError(`${unknown} is none of ${MAPPING_KINDS.join(", ")}.`);
  return [...before, ...names];
}

function protection(text: string): string {
  if (!/^[rwxsp]+$/.test(text)) throw new InvalidArgumentError("must be letters of rwxsp.");
  return text;
}

export const pid = () => new Option("-p, --pid <pid>", "only of this process").argParser(positiveInteger);
export const kind = () =>
  new Option("--kind <kind,...>", `only mappings of these kinds: ${MAPPING_KINDS.join(", ")}`).argParser(
    kinds,
  );
export const prot = () =>
  new Option("--prot <letters>", "only mappings with this protection: w, rx, s …").argParser(protection);

export function selectionOf({ pid, kind, prot }: SelectionOptions): Selection {
  return { pids: pid === undefined ? undefined : [pid], kinds: kind, protection: prot };
}

/** An address on the command line: hexadecimal, or decimal; a kind of mapping stands for the first of that kind. */
export function addressIn(process: Process, text: string): bigint {
  const mapping = process.mappings.find(({ kind }) => kind === text);
  if (mapping !== undefined) return mapping.start;
  const digits = /^(0x)?[0-9a-f]+$/i.test(text) ? text : undefined;
  if (digits === undefined) throw new UsageError(`not an address: ${text}`);
  return BigInt(/^0x|[a-f]/i.test(digits) ? `0x${digits.replace(/^0x/i, "")}` : digits);
}
