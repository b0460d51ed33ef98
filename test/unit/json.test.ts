/** JSON of images: as crit writes it, and back to the same bytes. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ImageError } from "../../ts-host/errors.ts";
import { IMAGE_KINDS, type ImageKind, type MessageName } from "../../ts-host/generated/messages.ts";
import { MESSAGES } from "../../ts-host/generated/schema-table.ts";
import type { ImageRecord } from "../../ts-host/images/checkpoint.ts";
import { encodeProtobuf } from "../../ts-host/images/codec.ts";
import {
  parseImage,
  parseImageFileName,
  writeGhostChunks,
  writeImage,
  writeIpcMessages,
} from "../../ts-host/images/framing.ts";
import { imageOfJson } from "../../ts-host/images/json/from-json.ts";
import { parseJson, printJson } from "../../ts-host/images/json/text.ts";
import { toJson } from "../../ts-host/images/json/to-json.ts";
import { protobufToJson } from "../../ts-host/wasm/transcoder.ts";
import { disordered } from "../support/disordered.ts";
import { Random } from "../support/random.ts";
import { randomMessage } from "../support/random-messages.ts";
import { runToEnd } from "../support/steps.ts";

const SAMPLES = "test/data/criu-images";
/** SHA-256 of what `crit decode` of CRIU 4.2, without --pretty, prints of each sample. */
const PLAIN = JSON.parse(readFileSync("test/data/crit-plain-sha256.json", "utf8")) as Record<string, string>;

function encode(json: string): Buffer {
  return Buffer.from(runToEnd(imageOfJson(json)));
}

function assertRefused(json: string, message: RegExp, context: object): void {
  assert.throws(
    () => encode(json),
    (error: unknown) => {
      assert.ok(error instanceof ImageError, String(error));
      assert.match(error.message, message);
      const { record, field } = error.context;
      assert.deepEqual({ record, field }, { record: undefined, field: undefined, ...context });
      return true;
    },
  );
}

for (const folder of readdirSync(SAMPLES)) {
  test(`images of ${folder}: from JSON, pretty or not, come the same bytes`, () => {
    for (const file of readdirSync(join(SAMPLES, folder))) {
      const bytes = readFileSync(join(SAMPLES, folder, file));
      const { kind } = parseImageFileName(file)!;
      if (IMAGE_KINDS[kind].messages.length === 0) continue;
      const records = parseImage(kind, bytes, file);
      const plain = toJson(kind, records, false);
      assert.deepEqual(encode(toJson(kind, records, true)), bytes, file);
      assert.deepEqual(encode(plain), bytes, file);
      const digest = createHash("sha256").update(`${plain}\n`).digest("hex");
      assert.equal(digest, PLAIN[`${folder}/${file}`], file);
    }
  });
}

/** A payload that goes with the message, whose fields about it are set. */
function randomPayload(
  random: Random,
  kind: ImageKind,
  message: Record<string, unknown>,
): Uint8Array | undefined {
  const { payload } = IMAGE_KINDS[kind] as { payload?: unknown };
  if (payload === undefined) return undefined;
  if (payload === "ghost file") {
    if (!message.chunks) return random.bytes(random.below(200));
    return writeGhostChunks([
      { offset: 5n, content: random.bytes(70) },
      { offset: 500n, content: random.bytes(7), unknown: Uint8Array.of(0xf8, 0xff, 0x0f, 5) },
    ]);
  }
  if (payload === "ipc messages") {
    const messages = Array.from({ length: random.below(3) }, () => {
      const text = random.bytes(random.below(100));
      return { message: { mtype: BigInt(random.bits()), msize: text.length }, text };
    });
    message.qnum = messages.length;
    return writeIpcMessages(messages);
  }
  const { sizes, unit = 1, unless } = payload as { sizes: string[]; unit?: number; unless?: string };
  if (unless !== undefined) delete message[unless];
  const lengths = sizes.map(() => random.below(150));
  sizes.forEach((field, index) => {
    message[field] = typeof message[field] === "bigint" ? BigInt(lengths[index]!) : lengths[index];
  });
  return random.bytes(unit * lengths.reduce((sum, length) => sum + length, 0));
}

test("random images of every kind survive JSON, with unknown fields, odd strings and values without a name", () => {
  for (const kind of Object.keys(IMAGE_KINDS) as ImageKind[]) {
    const { messages } = IMAGE_KINDS[kind];
    if (messages.length === 0) continue;
    for (let seed = 1; seed <= 8; seed++) {
      const random = new Random(seed);
      const count = kind === "GHOST_FILE" ? 1 : 3;
      const records = Array.from({ length: count }, (_, index) => {
        const message = randomMessage(random, messages[Math.min(index, messages.length - 1)]!);
        const payload = randomPayload(random, kind, message);
        return (payload === undefined ? { message } : { message, payload }) as ImageRecord;
      });
      const bytes = Buffer.from(writeImage(kind, records as never));
      const read = parseImage(kind, bytes);
      for (const pretty of [true, false])
        assert.deepEqual(encode(toJson(kind, read as never, pretty)), bytes, `${kind} ${seed} ${pretty}`);
    }
  }
});

test("fields are printed in the order of the schema, whatever their order in the message is", () => {
  for (const name of MESSAGES as MessageName[]) {
    for (let seed = 1; seed <= 8; seed++) {
      const random = new Random(seed);
      const proto = encodeProtobuf(name, randomMessage(random, name) as never);
      const other = disordered(random, name, proto);
      for (const pretty of [true, false]) {
        const expected = Buffer.from(protobufToJson(name, proto, pretty, 4)).toString();
        const found = Buffer.from(protobufToJson(name, other, pretty, 4)).toString();
        assert.equal(found, expected, `${name} ${seed}`);
      }
    }
  }
});

test("so are those of a message of megabytes", () => {
  const name = "user_x86_xsave_entry";
  const ymmh_space = Array.from({ length: 90_000 }, (_, index) => index * 9973);
  const bndreg_state = ymmh_space.map((number) => BigInt(number) ** 2n);
  const state = { xstate_bv: 7n, ymmh_space, bndreg_state, bndcsr_state: [], opmask_reg: [] };
  const proto = encodeProtobuf(name, { ...state, zmm_upper: [], hi16_zmm: [], pkru: [] });
  const json = protobufToJson(name, disordered(new Random(1), name, proto), false, 0);
  const numbers = (list: readonly (number | bigint)[]) => `[${list.join(", ")}]`;
  assert.equal(
    Buffer.from(json).toString(),
    `{"xstate_bv": 7, "ymmh_space": ${numbers(ymmh_space)}, "bndreg_state": ${numbers(bndreg_state)}}`,
  );
});

test("integers beyond 2^53 are exact", () => {
  const json =
    '{"magic": "PAGEMAP", "entries": [{"pages_id": 1}, {"vaddr": 18446744073709551615, "compat_nr_pages": 1}]}';
  const bytes = encode(json);
  assert.match(toJson("PAGEMAP", parseImage("PAGEMAP", bytes), false), /"vaddr": 18446744073709551615/);
  assert.deepEqual(encode(json.replace("18446744073709551615", '"0xffffffffffffffff"')), bytes);
});

test("addresses, devices, flags and socket names as crit writes them", () => {
  const socket = (fields: string) => `{"magic": "INETSK", "entries": [{"id": 1, "ino": 2, "family": "INET6",
    "type": "STREAM", "proto": "TCP", "state": "LISTEN", "src_port": 80, "dst_port": 0, "flags": "0x2",
    "backlog": 1, "fown": {"uid": 0, "euid": 0, "signum": 0, "pid_type": 0, "pid": 0},
    "opts": {"so_sndbuf": 1, "so_rcvbuf": 1, "so_snd_tmo_sec": 0, "so_snd_tmo_usec": 0,
    "so_rcv_tmo_sec": 0, "so_rcv_tmo_usec": 0}, ${fields}}]}`;
  const shown = (fields: string) => {
    const [record] = parseImage("INETSK", encode(socket(fields)));
    return JSON.parse(toJson("INETSK", [record!])).entries[0];
  };
  for (const address of ["::", "::1", "fe80::1:0:0:2", "2001:db8::", "1:2:3:4:5:6:7:8", "127.0.0.1"])
    assert.deepEqual(shown(`"src_addr": ["${address}"]`).src_addr, [address]);
  assert.deepEqual(shown('"src_addr": [16777343]').src_addr, ["127.0.0.1"]);
  assertRefused(socket('"src_addr": ["1:2::3::4"]'), /"1:2::3::4" is not an IP address/, {
    record: 0,
    field: "src_addr",
  });
  const mount = `{"magic": "MNTS", "entries": [{"fstype": 0, "mnt_id": 1, "root_dev": "8:300", "parent_mnt_id": 0,
    "flags": "0x10", "root": "/", "mountpoint": "/", "source": "x", "options": "\\udcff\\udc80"}]}`;
  const [entry] = parseImage("MNTS", encode(mount));
  assert.equal((entry!.message as { root_dev: number }).root_dev, (8 << 20) | 300);
  assert.deepEqual(encode(toJson("MNTS", [entry!])), encode(mount));
});

test("what is wrong in JSON is named: line and column, or record and field", () => {
  const fs = (entry: string) => `{"magic": "FS", "entries": [{"cwd_id": 1, "root_id": 2}, ${entry}]}`;
  const at = (field: string) => ({ record: 1, field });
  assertRefused('{"magic": "FS",\n "entries": [{]}', /line 2, column 15: a key expected/, {});
  assertRefused("", /line 1, column 1: a value expected/, {});
  assertRefused(`${"[".repeat(300)}`, /nested deeper than 200 levels/, {});
  assertRefused('{"magic": "FS", "entries": []} x', /something follows/, {});
  assertRefused('{"magic": "FSS", "entries": []}', /must name a kind/, { field: "magic" });
  assertRefused('{"magic": "PAGES", "entries": []}', /raw bytes/, { field: "magic" });
  assertRefused('{"magic": "FS"}', /must be an array/, { field: "entries" });
  assertRefused(fs('{"cwd_id": 1, "root_id": 2, "umaks": 3}'), /fs_entry has no such field/, at("umaks"));
  assertRefused(fs('{"cwd_id": 1}'), /required field is missing/, at("root_id"));
  assertRefused(fs('{"cwd_id": -1, "root_id": 2}'), /-1 is not a value of type uint32/, at("cwd_id"));
  assertRefused(fs('{"cwd_id": 1.5, "root_id": 2}'), /must be an integer/, at("cwd_id"));
  assertRefused(fs('{"cwd_id": true, "root_id": 2}'), /must be a number/, at("cwd_id"));
  assertRefused(fs('{"cwd_id": "one", "root_id": 2}'), /"one" is not a number/, at("cwd_id"));
  assertRefused(fs('{"cwd_id": 1, "root_id": 2, "unknown": "*"}'), /must be base64/, at("unknown"));
  assertRefused(fs('{"cwd_id": 1, "root_id": 2, "unknown": "CAE="}'), /is known/, at("unknown"));
  assertRefused(fs('{"cwd_id": 1, "root_id": 2, "extra": "CAE="}'), /have no payload/, at("extra"));
  assertRefused(fs('{"cwd_id": 1, "root_id": 2, "__proto__": {}}'), /no such field/, at("__proto__"));
});

test("JSON as Python prints it, and read exactly", () => {
  const text = '{"a": [1, -0, "\\u00fc\\ud83d\\ude00\\n", true, null, {}], "b": 12345678901234567890}';
  const value = parseJson(text);
  assert.equal(printJson(value), text.replace("-0", "0"));
  assert.equal(printJson([{}, [1]], ""), "[\n    {},\n    [\n        1\n    ]\n]");
  for (const bad of ["[1,]", "{1: 2}", '"\\x"', '"a\nb"', '"abc', "01", "tru", "[1 2]", '{"a" 1}', "-"])
    assert.throws(() => parseJson(bad), /not JSON: line/, bad);
});
