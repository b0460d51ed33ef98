/** What the image code needs of the system it runs on: here any with JavaScript and WebAssembly, as browsers. */
import core from "../../dist/core.wasm";

export { sha256 } from "@noble/hashes/sha2.js";

/** The WebAssembly core. */
export function coreBytes(): Uint8Array {
  return core;
}
