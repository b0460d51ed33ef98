/** Messages as objects, FlatBuffers and protobuf: golden bytes, then random messages of every type. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ImageError } from "../../ts-host/errors.ts";
import type { MessageName, MessageTypes } from "../../ts-host/generated/messages.ts";
import { MESSAGES } from "../../ts-host/generated/schema-table.ts";
import {
  decodeMessage,
  decodeProtobuf,
  encodeMessage,
  encodeProtobuf,
  fromProtobuf,
  toProtobuf,
} from "../../ts-host/images/codec.ts";
import { Random } from "../support/random.ts";
import { randomMessage } from "../support/random-messages.ts";

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Both ways through both encodings. */
function assertGolden<N extends MessageName>(name: N, value: MessageTypes[N], protobuf: Uint8Array): void {
  assert.deepEqual(encodeProtobuf(name, value), protobuf);
  assert.deepEqual(decodeProtobuf(name, protobuf), value);
  assert.deepEqual(decodeMessage(name, fromProtobuf(name, protobuf)), value);
  assert.deepEqual(toProtobuf(name, fromProtobuf(name, protobuf)), protobuf);
}

test("numbers: negative int32 in ten bytes, zigzag, 64 bits, fixed", () => {
  const lock = { flag: 1, type: 0, pid: -1, fd: 300, start: -2n, len: 2n ** 63n - 1n };
  assertGolden(
    "file_lock_entry",
    lock,
    hex("0801 1000 18ffffffffffffffffff01 20ac02 28feffffffffffffffff01 30ffffffffffffffff7f"),
  );
  const thread = { futex_rla: 2n ** 64n - 1n, futex_rla_len: 2 ** 32 - 1, sched_nice: -20 };
  assertGolden("thread_core_entry", thread, hex("08ffffffffffffffffff01 10ffffffff0f 1827"));
  const opts = { so_sndbuf: 0, so_rcvbuf: 0, so_snd_tmo_sec: 0n, so_snd_tmo_usec: 0n, so_rcv_tmo_sec: 0n };
  assertGolden(
    "sk_opts_entry",
    { ...opts, so_rcv_tmo_usec: 0n, so_filter: [1n, 2n ** 64n - 2n] },
    hex("0800 1000 1800 2000 2800 3000 81010100000000000000 8101feffffffffffffff"),
  );
});

test("absent, zero and empty are three things", () => {
  assertGolden("ip_opts_raw_entry", { icmpv_filter: [] }, bytes());
  assertGolden("ip_opts_raw_entry", { hdrincl: false, icmpv_filter: [0, 0] }, hex("0800 2000 2000"));
  assertGolden("cgroup_root", { ctrl: bytes(), path: bytes() }, hex("0a00 1200"));
  assertGolden("cgroup_root", { path: bytes() }, hex("1200"));
  assertGolden("stats_entry", {}, bytes());
});

test("strings are bytes, whatever they hold", () => {
  assertGolden(
    "utsns_entry",
    { nodename: bytes(0xff, 0, 0xc3), domainname: utf8("ü") },
    hex("0a03ff00c3 1202c3bc"),
  );
  const controllers = { cnames: [utf8("cpu"), bytes(), bytes(0x80)], dirs: [] };
  assertGolden("cg_controller_entry", controllers, hex("0a03637075 0a00 0a0180"));
});

test("fields are written by number, whatever the order of declaration", () => {
  const core = decodeProtobuf("core_entry", hex("0801 2208 0801 1002 1803 2004"));
  assert.deepEqual(core.ids, { vm_id: 1, files_id: 2, fs_id: 3, sighand_id: 4 });
  assert.deepEqual(encodeProtobuf("core_entry", core), hex("0801 2208 0801 1002 1803 2004"));
});

test("unknown fields survive at every level and are written last", () => {
  const value = {
    desc: { key: 1, uid: 2, gid: 3, cuid: 4, cgid: 5, mode: 6, id: 7, unknown: hex("7a0161") },
    nsems: 9,
    unknown: hex("f8ff0f05"),
  };
  assertGolden("ipc_sem_entry", value, hex("0a11 0801100218032004280530063807 7a0161 1009 f8ff0f05"));
  assert.deepEqual(
    toProtobuf("pagemap_head", fromProtobuf("pagemap_head", hex("f8ff0f05 0807 7a0161"))),
    hex("0807 f8ff0f05 7a0161"),
  );
});

test("packed numbers are read, and written one by one", () => {
  const value = decodeProtobuf("pstree_entry", hex("0801 1000 1801 2001 2a03 01ac02 2807"));
  assert.deepEqual(value.threads, [1, 300, 7]);
  assert.deepEqual(encodeProtobuf("pstree_entry", value), hex("0801 1000 1801 2001 2801 28ac02 2807"));
});

test("an enum holds numbers that have no name", () => {
  assertGolden("sysctl_entry", { type: 77, iarg: -5 }, hex("084d 10fbffffffffffffffff01"));
});

function assertImageError(run: () => unknown, message: RegExp, field?: string, offset?: number): void {
  assert.throws(run, (error: unknown) => {
    assert.ok(error instanceof ImageError, String(error));
    assert.match(error.message, message);
    assert.deepEqual({ field: error.context.field, offset: error.context.offset }, { field, offset });
    return true;
  });
}

test("what an object must not hold is named", () => {
  const desc = { key: 1, uid: 2, gid: 3, cuid: 4, cgid: 5, mode: 6, id: 7 };
  const sem = (changes: object): MessageTypes["ipc_sem_entry"] => ({
    desc: { ...desc, ...changes },
    nsems: 1,
  });
  const encode = (changes: object) => () => encodeMessage("ipc_sem_entry", sem(changes));
  assertImageError(encode({ mode: undefined }), /required field is missing/, "desc.mode");
  assertImageError(encode({ mode: -1 }), /-1 is not a value of type uint32/, "desc.mode");
  assertImageError(encode({ mode: 2 ** 32 }), /not a value of type uint32/, "desc.mode");
  assertImageError(encode({ mode: 1.5 }), /not a value of type uint32/, "desc.mode");
  assertImageError(encode({ mode: 1n }), /not a value of type uint32/, "desc.mode");
  assertImageError(encode({ unknown: "x" }), /must be bytes/, "desc.unknown");
  const encodeUnknown = (text: string) => () => encodeProtobuf("pidns_entry", { unknown: hex(text) });
  assertImageError(encodeUnknown("1005 0a00"), /a field among the unknown ones is known/, "unknown", 26);
  assertImageError(encodeUnknown("12"), /ends in the middle/, "unknown", 25);
  const pstree = { pid: 1, ppid: 0, pgid: 1, sid: 1, threads: [1, -1] };
  assertImageError(() => encodeMessage("pstree_entry", pstree), /not a value/, "threads[1]");
});

test("what is wrong in protobuf is named, with its place", () => {
  const decode = (text: string) => () => decodeProtobuf("ipc_sem_entry", hex(text));
  assertImageError(decode("0a"), /ends in the middle/, "desc", 1);
  assertImageError(decode("0a0e 0801"), /ends in the middle/, "desc", 1);
  assertImageError(decode("0a02 0801 1001"), /required field is missing/, "desc.uid", 4);
  assertImageError(decode("0a02 0a01 1001"), /another wire type/, "desc.key", 2);
  assertImageError(decode("1001 1002"), /more than once/, "nsems", 2);
  assertImageError(decode("10ffffffffffffffffffff01"), /longer than 10 bytes/, "nsems", 1);
  assertImageError(decode("0001"), /not a protobuf tag/, undefined, 0);
  assertImageError(decode("7b"), /not a protobuf tag/, undefined, 0);
  assertImageError(decode("7d0000"), /ends in the middle/, undefined, 1);
  const nested = hex("0a04 0a00 1a00");
  assertImageError(
    () => decodeProtobuf("apparmor_entry", nested),
    /missing/,
    "namespaces[0].namespaces[0].name",
    6,
  );
});

test("random messages of every type survive both encodings", () => {
  for (const name of MESSAGES as MessageName[]) {
    for (let seed = 1; seed <= 12; seed++) {
      const value = randomMessage(new Random(seed), name) as unknown as MessageTypes[typeof name];
      const flat = encodeMessage(name, value);
      assert.deepEqual(decodeMessage(name, flat), value, `${name} ${seed}: FlatBuffers`);
      const protobuf = toProtobuf(name, flat);
      assert.deepEqual(decodeProtobuf(name, protobuf), value, `${name} ${seed}: protobuf`);
      const again = fromProtobuf(name, protobuf);
      assert.deepEqual(decodeMessage(name, again), value, `${name} ${seed}: FlatBuffers of the core`);
      assert.deepEqual(toProtobuf(name, again), protobuf, `${name} ${seed}: protobuf again`);
    }
  }
});
