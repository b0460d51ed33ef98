/**
 * npm run fuzz [INPUTS [SEED [NAME]]]: so many inputs (by default a million) for all decoders and the verbs that
 * look into checkpoints together, or for those whose name contains NAME, from another random seed each time unless
 * one is given. Findings go to files; each becomes a test.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fuzzCheckpoints } from "./checkpoints.ts";
import { fuzz } from "./fuzz.ts";
import { targets } from "./targets.ts";

/** Inputs of the cheapest decoder in a round. */
const ROUND = 100_000;

const inputs = Number(process.argv[2] ?? 1e6);
const firstSeed = Number(process.argv[3] ?? Math.floor(Math.random() * 2 ** 31));
const directory = mkdtempSync(join(tmpdir(), "fuzz-"));
let done = 0;
let found = 0;
const wanted = process.argv[4] ?? "";
const decoders = targets(directory).map((target) => ({
  ...target,
  fuzz: (count: number, seed: number) => fuzz(target, count, seed),
}));
const all = [...decoders, { name: "checkpoints", cost: 100, fuzz: fuzzCheckpoints }].filter(({ name }) =>
  name.includes(wanted),
);
if (all.length === 0) throw new Error(`nothing is called ${wanted}`);
console.log(`${inputs} inputs, seed ${firstSeed}`);
for (let seed = firstSeed; done < inputs; seed++) {
  for (const target of all) {
    const round = Math.ceil(ROUND / target.cost);
    const { findings, ways } = target.fuzz(round, seed);
    done += round;
    for (const { target: what, input, error } of findings) {
      const file = `fuzz-${target.name.replaceAll(/\W+/g, "-")}-${++found}.bin`;
      writeFileSync(file, input);
      console.log(`${what}, ${file}: ${error instanceof Error ? error.stack : error}`);
    }
    console.log(`${target.name}: ${ways} ways; ${done} inputs in all, ${found} findings`);
  }
}
rmSync(directory, { recursive: true, force: true });
process.exitCode = found > 0 ? 1 : 0;
