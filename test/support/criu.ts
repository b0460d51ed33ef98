/** Finds a CRIU that works here, for tests that compare with it: CRIU=/path, else the one in PATH. */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Program } from "./victim.ts";

export interface FoundCriu {
  program: Program;
}

/** A CRIU that can dump a program that does nothing, or why there is none. */
export function findCriu(): FoundCriu | { missing: string } {
  const { CRIU = "criu" } = process.env;
  if (process.platform !== "linux" || process.arch !== "x64") return { missing: "not x86-64 Linux" };
  if (process.getuid?.() !== 0) return { missing: "not root" };
  if (spawnSync(CRIU, ["--version"]).status !== 0) return { missing: "no CRIU: CRIU=/path names one" };
  const folder = mkdtempSync(join(tmpdir(), "criu-works-"));
  const idle = spawn("sleep", ["60"], { detached: true, stdio: "ignore" });
  try {
    const args = ["dump", "-t", String(idle.pid), "-D", folder, "-R"];
    const { status } = spawnSync(CRIU, args, { cwd: folder, timeout: 20_000 });
    return status === 0 ? { program: [CRIU] } : { missing: `${CRIU} does not work on this system` };
  } finally {
    idle.kill("SIGKILL");
    rmSync(folder, { recursive: true });
  }
}
