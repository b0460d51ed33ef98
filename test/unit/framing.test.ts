/** Image files whose records are followed by raw bytes, and names of image files. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ImageError } from "../../ts-host/errors.ts";
import type { ImageKind, PagemapEntry } from "../../ts-host/generated/messages.ts";
import type { ImageRecord } from "../../ts-host/images/checkpoint.ts";
import { encodeProtobuf } from "../../ts-host/images/codec.ts";
import {
  imageFileName,
  parseImage,
  parseImageFileName,
  readGhostChunks,
  readIpcMessages,
  writeGhostChunks,
  writeImage,
  writeIpcMessages,
} from "../../ts-host/images/framing.ts";
import { toJson } from "../../ts-host/images/json/to-json.ts";

const text = (content: string): Uint8Array => new TextEncoder().encode(content);
const DESC = { key: 0, uid: 0, gid: 0, cuid: 0, cgid: 0, mode: 0o600, id: 3 };

/** Writes, reads, writes; returns the records as read and the bytes. */
function roundTrip<K extends ImageKind>(kind: K, records: ImageRecord<K>[]): [ImageRecord<K>[], Uint8Array] {
  const bytes = writeImage(kind, records);
  const read = parseImage(kind, bytes);
  assert.deepEqual(writeImage(kind, read), bytes);
  return [read, bytes];
}

function extras(kind: ImageKind, records: ImageRecord[]): unknown[] {
  return JSON.parse(toJson(kind, records as never)).entries.map((entry: { extra?: unknown }) => entry.extra);
}

test("a header and a record, byte by byte", () => {
  const bytes = writeImage("PIPES_DATA", [
    { message: { pipe_id: 7, bytes: 3, size: 4096 }, payload: text("abc") },
  ]);
  assert.equal(Buffer.from(bytes).toString("hex"), `19435654${"09374556"}07000000080710031880206162${"63"}`);
});

test("shared memory is padded to 4 bytes, and left out where it is in a pagemap", () => {
  const inline = { message: { desc: DESC, size: 5n }, payload: text("hello") };
  const elsewhere = { message: { desc: DESC, size: 8192n, in_pagemaps: true } };
  const [read] = roundTrip("IPCNS_SHM", [inline, elsewhere]);
  assert.deepEqual(read, [{ ...inline, payload: text("hello\0\0\0") }, elsewhere]);
  assert.deepEqual(extras("IPCNS_SHM", read), ["aGVsbG8=\n", undefined]);
});

test("semaphore values are padded to 8 bytes", () => {
  const [read] = roundTrip("IPCNS_SEM", [
    { message: { desc: DESC, nsems: 3 }, payload: text("\x01\0\x02\0\x03\x01") },
  ]);
  assert.deepEqual(read[0].payload, text("\x01\0\x02\0\x03\x01\0\0"));
  assert.deepEqual(extras("IPCNS_SEM", read), [[1, 2, 0x103]]);
});

test("queued messages are framed, each padded to 8 bytes", () => {
  const queued = [
    { message: { mtype: 1n, msize: 5 }, text: text("first") },
    { message: { mtype: 2n, msize: 0 }, text: text("") },
    { message: { mtype: 3n, msize: 8 }, text: text("eight888") },
  ];
  const payload = writeIpcMessages(queued);
  assert.equal(payload.length, 4 + 4 + 8 + (4 + 4) + (4 + 4 + 8));
  const queue = { message: { desc: DESC, qbytes: 16384, qnum: 3 }, payload };
  const [read] = roundTrip("IPCNS_MSG", [
    queue,
    { message: { ...queue.message, qnum: 0 }, payload: text("") },
  ]);
  assert.deepEqual(readIpcMessages(read[0].payload!), queued);
  assert.deepEqual(extras("IPCNS_MSG", read), [
    [
      { mtype: 1, msize: 5 },
      "Zmlyc3Q=\n",
      { mtype: 2, msize: 0 },
      "",
      { mtype: 3, msize: 8 },
      "ZWlnaHQ4ODg=\n",
    ],
    [],
  ]);
});

test("a ghost file is content to the end, or chunks", () => {
  const file = { uid: 0, gid: 0, mode: 0o100644, size: 9000n };
  const [whole] = roundTrip("GHOST_FILE", [{ message: file, payload: text("whatever it holds") }]);
  assert.deepEqual(extras("GHOST_FILE", whole), ["d2hhdGV2ZXIgaXQgaG9sZHM=\n"]);
  const chunks = [
    { offset: 0n, content: text("start") },
    { offset: 8192n, content: text("end") },
  ];
  const [sparse] = roundTrip("GHOST_FILE", [
    { message: { ...file, chunks: true }, payload: writeGhostChunks(chunks) },
  ]);
  assert.deepEqual(readGhostChunks(sparse[0].payload!), chunks);
  assert.deepEqual(JSON.parse(toJson("GHOST_FILE", sparse)).entries.slice(1), [
    { len: 5, off: 0, extra: "c3RhcnQ=\n" },
    { len: 3, off: 8192, extra: "ZW5k\n" },
  ]);
});

test("queues of a connection, and keys and values of a map, follow each other", () => {
  const stream = {
    inq_len: 2,
    inq_seq: 1,
    outq_len: 3,
    outq_seq: 2,
    opt_mask: 0,
    snd_wscale: 0,
    mss_clamp: 1460,
  };
  const [read] = roundTrip("TCP_STREAM", [{ message: stream, payload: text("inout") }]);
  assert.deepEqual(extras("TCP_STREAM", read), [{ inq: "aW4=\n", outq: "b3V0\n" }]);
  const map = { map_id: 1, keys_bytes: 4, values_bytes: 8, count: 1 };
  roundTrip("BPFMAP_DATA", [{ message: map, payload: text("keysvalues!!") }]);
});

test("a payload that does not fit its record is refused", () => {
  const short = [{ message: { pipe_id: 1, bytes: 5 }, payload: text("four") }];
  assert.throws(
    () => writeImage("PIPES_DATA", short, "pipes-data.img"),
    (error: unknown) => {
      assert.ok(error instanceof ImageError);
      assert.deepEqual(error.context, { file: "pipes-data.img", record: 0 });
      return /has 4 bytes, its record says 5/.test(error.message);
    },
  );
  assert.throws(
    () => writeImage("FS", [{ message: { cwd_id: 1, root_id: 1 }, payload: text("?") }]),
    ImageError,
  );
});

test("pagemaps mix entries of all forms, in order", () => {
  const entry = (index: number, more: Partial<PagemapEntry>): PagemapEntry => ({
    vaddr: BigInt(index) << 47n,
    compat_nr_pages: 0,
    compressed_size: [],
    ...more,
  });
  const entries = Array.from({ length: 200 }, (_, index) => {
    if (index % 50 === 7) return entry(index, { flags: 4, nr_pages: 3n, compressed_size: [0, 99] });
    if (index % 50 === 8) return entry(index, { compat_nr_pages: 3, in_parent: true });
    if (index % 50 === 9)
      return entry(index, { flags: 4, nr_pages: 1n, unknown: Uint8Array.of(0xf8, 0xff, 15, 5) });
    return entry(index, {
      flags: [0, 6, 2 ** 32 - 1][index % 3],
      nr_pages: [0n, 1n, 2n ** 64n - 1n][index % 3],
    });
  });
  const [read, bytes] = roundTrip("PAGEMAP", [
    { message: { pages_id: 5 } },
    ...entries.map((message) => ({ message })),
  ]);
  assert.deepEqual(
    read.slice(1),
    entries.map((message) => ({ message })),
  );
  const expected = entries.map((message) => encodeProtobuf("pagemap_entry", message));
  const framed = expected.flatMap((proto) => [Uint8Array.of(proto.length, 0, 0, 0), proto]);
  assert.deepEqual(Buffer.from(bytes.subarray(14)), Buffer.concat(framed));
});

test("names of image files, both ways", () => {
  const names: [string, ImageKind, (number | string)?][] = [
    ["inventory.img", "INVENTORY"],
    ["core-812.img", "CORE", 812],
    ["tcp-stream-41d4fd.img", "TCP_STREAM", 0x41d4fd],
    ["pagemap-shmem-55234.img", "SHMEM_PAGEMAP", 55234],
    ["pagemap-18446744073709551615.img", "PAGEMAP", "18446744073709551615"],
    ["stats-dump", "STATS", "dump"],
    ["tmpfs-dev-38.tar.gz", "TMPFS_DEV", 38],
  ];
  for (const [file, kind, id] of names) {
    const name = id === undefined ? { kind } : { kind, id };
    assert.deepEqual(parseImageFileName(file), name);
    assert.equal(imageFileName(name), file);
  }
  for (const file of ["core-.img", "core-08.img", "core-1.img.tmp", "core-1ximg", "../core-1.img", "x"]) {
    assert.equal(parseImageFileName(file), undefined, file);
  }
});
