/** Asks the system's C headers for numbers. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A C expression under a name; `guard` is a macro without which the headers are too old to know it. */
export interface Question {
  name: string;
  expression: string;
  guard?: string;
}

/** Name of a C compiler for this system, or undefined where our numbers cannot be compared with anything. */
export function compiler(): string | undefined {
  if (process.platform !== "linux" || process.arch !== "x64") return undefined;
  return [process.env.CC, "cc", "gcc", "clang"].find((name) => name && runs(name));
}

function runs(program: string): boolean {
  try {
    execFileSync(program, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Values of the expressions that the headers know, by name, as unsigned 64-bit. */
export function cValues(cc: string, headers: string[], questions: Question[]): Map<string, bigint> {
  const prints = questions.map(({ name, expression, guard }) => {
    const print = `printf("${name} %llu\\n", (unsigned long long)(${expression}));`;
    return guard === undefined ? print : `#ifdef ${guard}\n${print}\n#endif`;
  });
  const source = [
    ...[...headers, "stddef.h", "stdio.h"].map((header) => `#include <${header}>`),
    "int main(void) {",
    ...prints,
    "return 0;\n}\n",
  ].join("\n");
  const folder = mkdtempSync(join(tmpdir(), "criu-wasm-headers-"));
  try {
    writeFileSync(join(folder, "ask.c"), source);
    execFileSync(cc, ["-w", "-o", join(folder, "ask"), join(folder, "ask.c")], { stdio: "pipe" });
    const answers = execFileSync(join(folder, "ask"), { encoding: "utf8" }).matchAll(/^(\S+) (\d+)$/gm);
    return new Map([...answers].map((match) => [match[1]!, BigInt(match[2]!)]));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** All macros that a header defines, with their raw text. */
export function macrosOf(cc: string, header: string): Map<string, string> {
  const folder = mkdtempSync(join(tmpdir(), "criu-wasm-headers-"));
  try {
    const output = join(folder, "macros");
    writeFileSync(join(folder, "ask.c"), `#include <${header}>\n`);
    execFileSync(cc, ["-E", "-dM", "-o", output, join(folder, "ask.c")], { stdio: "pipe" });
    const definitions = readFileSync(output, "utf8").matchAll(/^#define (\w+) (.+)$/gm);
    return new Map([...definitions].map((match) => [match[1]!, match[2]!]));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
