/** Levels of messages in messages. */
export const MAX_DEPTH: u32 = 64;
/** Fields of one message; the generator checks it. */
export const MAX_FIELDS: u32 = 128;
/** Bytes of a message in protobuf. */
export const MAX_PROTOBUF: usize = 64 << 20;
/** Bytes of a message in FlatBuffers. */
export const MAX_FLAT: usize = 128 << 20;
/** Field occurrences and elements of vectors of numbers in one message, all levels together. */
export const MAX_VALUES: u32 = 8 << 20;
