/** The command as a user runs it. */
import { spawnSync } from "node:child_process";

export interface Run {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** Runs `criu-wasm` with these arguments. */
export function criuWasm(...args: string[]): Run {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["dist/criu-wasm.mjs", ...args], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  return { status, stdout, stderr };
}
