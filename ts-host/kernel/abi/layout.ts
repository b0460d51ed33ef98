/**
 * Describes C structures of the kernel's interface once, and reads and writes them: little-endian, every
 * field aligned to its size as the x86-64 ABI does it. 64-bit fields are bigint, smaller ones number, and
 * fixed byte arrays Uint8Array.
 */

type ScalarType = "u8" | "u16" | "u32" | "i32" | "u64" | "i64";

/** What a field can be: a scalar, `bytes(n)`, or another layout. */
export type FieldType = ScalarType | ByteArray | Layout<object>;

interface ByteArray {
  readonly bytes: number;
}

type ValueOf<F> = F extends "u64" | "i64"
  ? bigint
  : F extends ScalarType
    ? number
    : F extends Layout<infer T>
      ? T
      : Uint8Array;

/** The object that a layout with these fields reads. */
type ValuesOf<S> = { -readonly [K in keyof S]: ValueOf<S[K]> };

/** A value to be written: fields left out are 0, as in a C initialiser. */
export type Initializer<T> = {
  [K in keyof T]?: T[K] extends bigint | number | Uint8Array ? T[K] : Initializer<T[K]>;
};

export interface Layout<T extends object> {
  /** Name of the structure in the kernel's headers, without "struct". */
  readonly name: string;
  /** In bytes, as sizeof. */
  readonly size: number;
  readonly align: number;
  /** Offset of each field in bytes, as offsetof. */
  readonly offsets: { readonly [K in keyof T]: number };
  /** Throws a RangeError where `bytes` is too short. */
  read(bytes: Uint8Array, at?: number): T;
  /** Writes `size` bytes, padding included. */
  write(value: Initializer<T>, into: Uint8Array, at?: number): void;
  /** As `write`, into new bytes. */
  pack(value: Initializer<T>): Uint8Array;
}

/** The type of the values of a layout: `LayoutValue<typeof timespec>`. */
export type LayoutValue<L> = L extends Layout<infer T> ? T : never;

/** A field of `count` bytes. */
export function bytes(count: number): ByteArray {
  return { bytes: count };
}

interface Scalar {
  readonly size: number;
  get(view: DataView, at: number): bigint | number;
  set(view: DataView, at: number, value: never): void;
}

const SCALARS: Record<ScalarType, Scalar> = {
  u8: { size: 1, get: (view, at) => view.getUint8(at), set: (view, at, value) => view.setUint8(at, value) },
  u16: {
    size: 2,
    get: (view, at) => view.getUint16(at, true),
    set: (view, at, value) => view.setUint16(at, value, true),
  },
  u32: {
    size: 4,
    get: (view, at) => view.getUint32(at, true),
    set: (view, at, value) => view.setUint32(at, value, true),
  },
  i32: {
    size: 4,
    get: (view, at) => view.getInt32(at, true),
    set: (view, at, value) => view.setInt32(at, value, true),
  },
  u64: {
    size: 8,
    get: (view, at) => view.getBigUint64(at, true),
    set: (view, at, value) => view.setBigUint64(at, value, true),
  },
  i64: {
    size: 8,
    get: (view, at) => view.getBigInt64(at, true),
    set: (view, at, value) => view.setBigInt64(at, value, true),
  },
};

function extent(type: FieldType): { size: number; align: number } {
  if (typeof type === "string") return { size: SCALARS[type].size, align: SCALARS[type].size };
  return "bytes" in type ? { size: type.bytes, align: 1 } : type;
}

function readField(type: FieldType, view: DataView, at: number): unknown {
  if (typeof type === "string") return SCALARS[type].get(view, at);
  const start = view.byteOffset + at;
  if ("bytes" in type) return new Uint8Array(view.buffer, start, type.bytes).slice();
  return type.read(new Uint8Array(view.buffer, start, type.size));
}

function writeField(type: FieldType, view: DataView, at: number, value: unknown): void {
  if (typeof type === "string") {
    SCALARS[type].set(view, at, value as never);
    return;
  }
  const target = new Uint8Array(view.buffer, view.byteOffset + at, extent(type).size);
  if ("bytes" in type) target.set(value as Uint8Array);
  else type.write(value as object, target);
}

/**
 * A structure with its fields in order. `size` is given where the C structure is larger than its fields
 * (a union of which we name one member only).
 */
export function struct<const S extends Record<string, FieldType>>(
  name: string,
  fields: S,
  size?: number,
): Layout<ValuesOf<S>> {
  const placed: { key: string; type: FieldType; at: number }[] = [];
  let end = 0;
  let align = 1;
  for (const [key, type] of Object.entries(fields)) {
    const field = extent(type);
    const at = Math.ceil(end / field.align) * field.align;
    placed.push({ key, type, at });
    end = at + field.size;
    align = Math.max(align, field.align);
  }
  const total = size ?? Math.ceil(end / align) * align;

  function viewOf(memory: Uint8Array, start: number): DataView {
    if (start + total > memory.length) {
      throw new RangeError(`${name} takes ${total} bytes, there are ${memory.length - start}`);
    }
    return new DataView(memory.buffer, memory.byteOffset + start, total);
  }

  function read(from: Uint8Array, start = 0) {
    const view = viewOf(from, start);
    return Object.fromEntries(placed.map(({ key, type, at }) => [key, readField(type, view, at)]));
  }

  function write(value: Record<string, unknown>, into: Uint8Array, start = 0): void {
    const view = viewOf(into, start);
    into.fill(0, start, start + total);
    for (const { key, type, at } of placed) {
      if (value[key] !== undefined) writeField(type, view, at, value[key]);
    }
  }

  function pack(value: Record<string, unknown>): Uint8Array {
    const packed = new Uint8Array(total);
    write(value, packed);
    return packed;
  }

  const offsets = Object.fromEntries(placed.map(({ key, at }) => [key, at]));
  return { name, size: total, align, offsets, read, write, pack } as unknown as Layout<ValuesOf<S>>;
}
