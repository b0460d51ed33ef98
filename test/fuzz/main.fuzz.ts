/**
 * npm run fuzz [INPUTS [SEED]]: so many inputs (by default a million) for all decoders together, from another
 * random seed each time unless one is given. Findings go to files; each becomes a test.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fuzz } from "./fuzz.ts";
import { targets } from "./targets.ts";

/** Inputs of the cheapest decoder in a round. */
const ROUND = 100_000;

const inputs = Number(process.argv[2] ?? 1e6);
const firstSeed = Number(process.argv[3] ?? Math.floor(Math.random() * 2 ** 31));
const directory = mkdtempSync(join(tmpdir(), "fuzz-"));
let done = 0;
let found = 0;
const all = targets(directory);
console.log(`${inputs} inputs, seed ${firstSeed}`);
for (let seed = firstSeed; done < inputs; seed++) {
  for (const target of all) {
    const round = ROUND / target.cost;
    const { findings, ways } = fuzz(target, round, seed);
    done += round;
    for (const { input, error } of findings) {
      const file = `fuzz-${target.name.replaceAll(/\W+/g, "-")}-${++found}.bin`;
      writeFileSync(file, input);
      console.log(`${target.name}, ${file}: ${error instanceof Error ? error.stack : error}`);
    }
    console.log(`${target.name}: ${ways} ways; ${done} inputs in all, ${found} findings`);
  }
}
rmSync(directory, { recursive: true, force: true });
process.exitCode = found > 0 ? 1 : 0;
