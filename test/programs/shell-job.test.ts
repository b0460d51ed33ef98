/** A bash that runs a loop at a terminal, as a job of another shell: --shell-job. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { asset, packageFile } from "../../ts-host/assets.ts";
import { runCli, waitFor } from "../support/victim.ts";

const ROUNDS = 10;

/** An interactive shell at a pseudo terminal of its own, to be typed at and read. */
class Terminal {
  readonly #dir = mkdtempSync(join(tmpdir(), "terminal-"));
  readonly #log = join(this.#dir, "log");
  readonly #script = spawn("script", ["-qfc", "bash --norc --noprofile -i", this.#log], {
    cwd: this.#dir,
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
    env: { ...process.env, PS1: "$ ", TERM: "dumb" },
  });

  get dir(): string {
    return this.#dir;
  }

  type(text: string): void {
    this.#script.stdin.write(text);
  }

  text(): string {
    try {
      return readFileSync(this.#log, "utf8");
    } catch {
      return "";
    }
  }

  /** Waits until something new matches; gives the match. */
  async expect(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    return waitFor(
      () => `${pattern} at the terminal, which shows:\n${this.text().slice(from)}`,
      () => pattern.exec(this.text().slice(from)),
    );
  }

  close(): void {
    this.type("\x03\nexit\n");
    this.#script.stdin.end();
    if (this.#script.pid) process.kill(-this.#script.pid, "SIGKILL");
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

for (const format of ["native", "criu"] as const) {
  test(`a bash in a loop, dumped and restored at its terminal ten times; ${format}`, async (t) => {
    if (process.platform !== "linux" || process.getuid!() !== 0) return t.skip("needs root on Linux");
    for (const program of ["script", "bash"]) {
      if (spawnSync(program, ["--version"]).error) return t.skip(`${program} is not installed`);
    }
    const terminal = new Terminal();
    t.after(() => terminal.close());
    terminal.type(`exec 3>&- 251>&-\nbash ${packageFile("test/programs/loop.sh")} & echo "job $!"; fg\n`);
    const pid = (await terminal.expect(/^job (\d+)/m))[1]!;
    t.after(() => {
      try {
        process.kill(Number(pid), "SIGKILL");
      } catch {
        // It ended, as it should.
      }
    });
    await terminal.expect(/beat 5\b/);
    for (let round = 0; round < ROUNDS; round++) {
      const images = join(terminal.dir, `images.${round}`);
      const dumped = await runCli(["dump", "-t", pid, "-D", images, "--shell-job", "--format", format]);
      assert.equal(dumped.status, 0, dumped.stderr);
      await terminal.expect(/Killed/);
      const last = Number([...terminal.text().matchAll(/^beat (\d+)/gm)].at(-1)![1]);
      const from = terminal.text().length;
      terminal.type(`'${process.execPath}' '${asset("criu-wasm.cjs")}' restore --shell-job -D ${images}\n`);
      const next = await terminal.expect(/^beat (\d+)/m, from);
      assert.equal(Number(next[1]), last + 1, "it goes on where it was");
      terminal.type(`word ${round}\n`);
      await terminal.expect(new RegExp(`heard word ${round} at`), from);
    }
    terminal.type("end\n");
    await terminal.expect(/ended after \d+/);
    const from = terminal.text().length;
    terminal.type("echo the shell has its terminal again\n");
    await terminal.expect(/^the shell has its terminal again/m, from);
  });
}
