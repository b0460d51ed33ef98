/** The messages of a checkpoint as protobuf, which CRIU's images hold, and as FlatBuffers, which native ones hold. */
import { ByteBuffer } from "flatbuffers";
import type { MessageName } from "../../generated/messages.ts";
import type { CheckpointReader } from "../../images/checkpoint.ts";
import { decodeMessage, decodeProtobuf, encodeMessage, encodeProtobuf } from "../../images/codec.ts";
import { messageOf } from "../../images/native-format.ts";
import { messageSchema } from "../../images/schema.ts";

export interface EncodingRow {
  encoding: "protobuf" | "FlatBuffers";
  bytes: number;
  /** Microseconds for all messages. */
  encode: number;
  decode: number;
  /** Microseconds to read one field of each. */
  field: number;
}

/** More are not measured: images of much memory have millions of entries, all alike. */
const MOST_MESSAGES = 20_000;
const ROUNDS = 5;

interface Sample {
  name: MessageName;
  message: never;
  protobuf: Uint8Array;
  flat: Uint8Array;
  /** Slot of a number that the message has, and its width. */
  slot: number;
  width: number;
}

function samplesOf(reader: CheckpointReader): Sample[] {
  const samples: Sample[] = [];
  for (const image of reader.list()) {
    for (const [record, { message }] of reader.read(image).entries()) {
      const name = messageOf(image.kind, record);
      if (name === undefined || samples.length === MOST_MESSAGES) continue;
      const number = messageSchema(name).find(({ isReferred, type }) => !isReferred && type !== "bool");
      if (number === undefined) continue;
      samples.push({
        name,
        message: message as never,
        protobuf: encodeProtobuf(name, message as never),
        flat: encodeMessage(name, message as never),
        slot: number.slot,
        width: number.width,
      });
    }
  }
  return samples;
}

/** One number of a FlatBuffer, with nothing else decoded. */
function readNumber({ flat, slot, width }: Sample): number | bigint {
  const buffer = new ByteBuffer(flat);
  const table = buffer.readInt32(0);
  const offset = buffer.__offset(table, 4 + 2 * slot);
  if (offset === 0) return 0;
  return width === 8 ? buffer.readUint64(table + offset) : buffer.readUint32(table + offset);
}

/** Median of some rounds, in microseconds. */
function timed(samples: Sample[], work: (sample: Sample) => unknown): number {
  const times = Array.from({ length: ROUNDS }, () => {
    const began = performance.now();
    for (const sample of samples) work(sample);
    return 1000 * (performance.now() - began);
  });
  return times.sort((a, b) => a - b)[ROUNDS >> 1];
}

const sum = (samples: Sample[], of: (sample: Sample) => number) =>
  samples.reduce((total, sample) => total + of(sample), 0);

export function measureMetadata(reader: CheckpointReader): { messages: number; rows: EncodingRow[] } {
  const samples = samplesOf(reader);
  const decodeAll = timed(samples, ({ name, protobuf }) => decodeProtobuf(name, protobuf));
  const rows: EncodingRow[] = [
    {
      encoding: "protobuf",
      bytes: sum(samples, ({ protobuf }) => protobuf.length),
      encode: timed(samples, ({ name, message }) => encodeProtobuf(name, message)),
      decode: decodeAll,
      // There is no way to one field but through all before it.
      field: decodeAll,
    },
    {
      encoding: "FlatBuffers",
      bytes: sum(samples, ({ flat }) => flat.length),
      encode: timed(samples, ({ name, message }) => encodeMessage(name, message)),
      decode: timed(samples, ({ name, flat }) => decodeMessage(name, flat)),
      field: timed(samples, readNumber),
    },
  ];
  return { messages: samples.length, rows };
}
