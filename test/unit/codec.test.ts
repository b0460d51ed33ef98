import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { decodeProtobuf, encodeProtobuf, fromProtobuf, toProtobuf } from "../../ts-host/images/codec.ts";

test("the records of a sample image survive", () => {
  const file = readFileSync("test/data/criu-images/zoo/files.img");
  for (let at = 8; at < file.length; ) {
    const proto = file.subarray(at + 4, at + 4 + file.readUInt32LE(at));
    at += 4 + proto.length;
    assert.deepEqual(Buffer.from(toProtobuf("file_entry", fromProtobuf("file_entry", proto))), proto);
    const value = decodeProtobuf("file_entry", proto);
    assert.deepEqual(Buffer.from(encodeProtobuf("file_entry", value)), proto);
  }
});
