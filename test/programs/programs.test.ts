/** Real programs, dumped and restored ten times in a row in either format, with nothing lost. */
import { spawnSync } from "node:child_process";
import { describe, test } from "node:test";
import { packageFile } from "../../ts-host/assets.ts";
import { roundTrip } from "../support/victim.ts";
import { type VictimEntry, victims } from "../victims/catalogue.ts";

const ROUNDS = 10;

/** The interpreter itself: a launcher script in its place would be another program. */
function pythonPath(): string | undefined {
  const { status, stdout } = spawnSync("python3", ["-c", "import sqlite3, sys; print(sys.executable)"], {
    encoding: "utf8",
  });
  return status === 0 ? stdout.trim() : undefined;
}

function victim(name: string): VictimEntry {
  return victims.find((entry) => entry.name === name)!;
}

describe("ten times in a row", () => {
  for (const format of ["native", "criu"] as const) {
    test(`CPython: threads, 300 MB of distinct pages, SQLite in a transaction, a timer; ${format}`, async (t) => {
      const python = pythonPath();
      if (!python) return t.skip("python3 with sqlite3 is not installed");
      const command = [python, packageFile("test/programs/python.py"), "300"];
      const entry: VictimEntry = {
        name: "python",
        area: "memory",
        checks: "everything",
        command,
        states: "SR",
      };
      await roundTrip(t, entry, { format, rounds: ROUNDS });
    });

    test(`a C program with 100 threads that contend for a lock; ${format}`, (t) =>
      roundTrip(t, victim("threads-futex"), { format, rounds: ROUNDS }));

    test(`a program whose vector registers are checked; ${format}`, (t) =>
      roundTrip(t, victim("registers"), { format, rounds: ROUNDS }));
  }
});
