/** Where processes can be frozen and restored at all. */
import { UnsupportedError } from "../errors.ts";

/** @throws UnsupportedError elsewhere */
export function requireMachine(): void {
  if (process.platform === "linux" && process.arch === "x64") return;
  throw new UnsupportedError("processes can be frozen and restored on x86-64 Linux only", {
    hint: "image files can be worked on here all the same",
  });
}
