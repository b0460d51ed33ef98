/** Random messages of any type. */
import { ENUMS, type MessageName } from "../../ts-host/generated/messages.ts";
import type { AnyMessage } from "../../ts-host/images/codec.ts";
import { type FieldSchema, messageSchema } from "../../ts-host/images/schema.ts";
import type { Random } from "./random.ts";

const WIDTHS = [1, 7, 8, 14, 31, 32, 33, 63, 64];
/** Fields that no message has: a varint and two kinds of bytes. */
const UNKNOWN_FIELDS = ["f8ff0f05", "a27f00", "a27f03616263fdff0f01020304"];

function randomNumber(random: Random, { type, enumeration }: FieldSchema): number | bigint {
  if (enumeration !== undefined && !random.oneIn(4)) return random.pick(Object.values(ENUMS[enumeration]!));
  const bits = (BigInt(random.bits()) << 32n) | BigInt(random.bits());
  const magnitude = bits & ((1n << BigInt(random.pick(WIDTHS))) - 1n);
  switch (type) {
    case "uint32":
      return Number(magnitude & 0xffffffffn);
    case "int32":
    case "sint32":
      return Number(BigInt.asIntN(32, random.oneIn(2) ? magnitude : -magnitude));
    case "int64":
    case "sint64":
      return BigInt.asIntN(64, random.oneIn(2) ? magnitude : -magnitude);
    default:
      return magnitude;
  }
}

function randomValue(random: Random, field: FieldSchema, depth: number): unknown {
  if (field.type === "message") return randomMessage(random, field.message!, depth + 1);
  if (field.type === "bool") return random.oneIn(2);
  if (field.type === "bytes" || field.type === "string")
    return random.bytes(random.below(random.oneIn(9) ? 300 : 9));
  return randomNumber(random, field);
}

export function randomMessage(random: Random, name: MessageName, depth = 0): AnyMessage {
  const message: AnyMessage = {};
  for (const field of messageSchema(name)) {
    const deep = depth > 4 && field.type === "message";
    if (field.label === "repeated") {
      const length = deep ? 0 : random.below(random.oneIn(8) ? 40 : 4) >> Math.min(depth, 3);
      message[field.name] = Array.from({ length }, () => randomValue(random, field, depth));
    } else if (field.label === "required" || (!deep && random.oneIn(2))) {
      message[field.name] = randomValue(random, field, depth);
    }
  }
  if (random.oneIn(4)) message.unknown = new Uint8Array(Buffer.from(random.pick(UNKNOWN_FIELDS), "hex"));
  return message;
}
