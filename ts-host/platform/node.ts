/** What the image code needs of the system it runs on: here Node. portable.ts has the same names. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { asset } from "../assets.ts";

/** The WebAssembly core. */
export function coreBytes(): Uint8Array {
  return readFileSync(asset("core.wasm"));
}

export function sha256(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest();
}
