/** Small C programs of tests that are dumped: compiled, started with a session of their own, ended with the test. */
import { execFileSync, spawn } from "node:child_process";
import { closeSync, existsSync, openSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { compiler } from "../unit/kernel/c-values.ts";

/** Whether a program is installed. */
export function hasProgram(name: string): boolean {
  return (process.env.PATH ?? "").split(":").some((folder) => existsSync(join(folder, name)));
}

/** Compiles test/offline/SOURCE into `folder`; undefined, and the test is skipped, where nothing can be dumped. */
export function compileProgram(t: TestContext, source: string, folder: string): string | undefined {
  const cc = compiler();
  if (!cc || process.platform !== "linux" || process.getuid?.() !== 0) {
    t.skip("needs x86-64 Linux, root and a C compiler");
    return undefined;
  }
  const program = join(folder, source.replace(/\.c$/, ""));
  execFileSync(cc, ["-g", "-O0", "-o", program, `test/offline/${source}`, "-lpthread"]);
  return program;
}

/** Starts it with /dev/null as its input and `output` as what it writes to; its pid. */
export function startProgram(t: TestContext, program: string, args: string[], output: string): number {
  const [nothing, out] = [openSync("/dev/null", "r"), openSync(output, "w")];
  const child = spawn(program, args, { detached: true, stdio: [nothing, out, nothing] });
  for (const fd of [nothing, out]) closeSync(fd);
  t.after(() => child.kill("SIGKILL"));
  return child.pid!;
}
