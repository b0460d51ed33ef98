/** The same message in protobuf as another writer might put it. */
import type { MessageName } from "../../ts-host/generated/messages.ts";
import { type FieldSchema, messageSchema } from "../../ts-host/images/schema.ts";
import type { Random } from "./random.ts";

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}

function readVarint(bytes: Uint8Array, at: number): { value: number; end: number } {
  let value = 0;
  for (let end = at, shift = 0; ; shift += 7) {
    value += (bytes[end]! & 0x7f) * 2 ** shift;
    if (bytes[end++]! < 0x80) return { value, end };
  }
}

/** One occurrence of a field, with its tag. */
interface Piece {
  field: FieldSchema | undefined;
  bytes: Uint8Array;
  /** Where its value begins; of bytes, what follows their length. */
  content: Uint8Array;
  wireType: number;
}

function pieces(name: MessageName, bytes: Uint8Array): Piece[] {
  const schema = messageSchema(name);
  const found: Piece[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = readVarint(bytes, at);
    const wireType = tag.value & 7;
    const number = Math.floor(tag.value / 8);
    let start = tag.end;
    let end = start + (wireType === 1 ? 8 : 4);
    if (wireType === 0) end = readVarint(bytes, start).end;
    if (wireType === 2) {
      const length = readVarint(bytes, start);
      start = length.end;
      end = start + length.value;
    }
    const field = schema.find((candidate) => candidate.number === number);
    found.push({ field, wireType, bytes: bytes.subarray(at, end), content: bytes.subarray(start, end) });
    at = end;
  }
  return found;
}

function delimited(number: number, content: Uint8Array): Uint8Array {
  return Uint8Array.from([...varint(number * 8 + 2), ...varint(content.length), ...content]);
}

/** The piece in another form: numbers of a repeated field in a packed run, inner messages in another order. */
function another(random: Random, { field, bytes, content, wireType }: Piece): Uint8Array {
  if (field?.message !== undefined)
    return delimited(field.number, disordered(random, field.message, content));
  const isNumber = field?.label === "repeated" && wireType !== 2;
  return isNumber && random.oneIn(2) ? delimited(field.number, content) : bytes;
}

/**
 * A message that means the same: its fields in any order, but for those of one kind among each other, and numbers of
 * repeated fields packed here and there. `bytes` must be a message that can be read.
 */
export function disordered(random: Random, name: MessageName, bytes: Uint8Array): Uint8Array {
  const groups = new Map<number, Uint8Array[]>();
  for (const piece of pieces(name, bytes)) {
    const number = piece.field?.number ?? 0;
    const group = groups.get(number) ?? [];
    group.push(another(random, piece));
    groups.set(number, group);
  }
  // The first of each group last.
  const left = [...groups.values()].map((group) => group.reverse());
  const result: number[] = [];
  while (left.length > 0) {
    const group = random.pick(left);
    result.push(...group.pop()!);
    if (group.length === 0) left.splice(left.indexOf(group), 1);
  }
  return Uint8Array.from(result);
}
