/** Runs decoders on changed inputs; those that come somewhere new are changed further. */
import { CriuWasmError } from "../../ts-host/errors.ts";
import { Random } from "../support/random.ts";
import { mutate } from "./mutate.ts";
import type { Target } from "./targets.ts";

/** Longest that one input may take, in ms. */
export const PATIENCE = 5000;
/** Inputs that are kept, beside the seeds. */
const CORPUS = 2000;

export interface Finding {
  target: string;
  input: Uint8Array;
  error: unknown;
}

/** `inputs` inputs, the same for the same seed. Answers what was found, and how many ways inputs went. */
export function fuzz(target: Target, inputs: number, seed: number): { findings: Finding[]; ways: number } {
  const random = new Random(seed);
  const corpus = [...target.seeds];
  const ways = new Set<string>();
  const findings: Finding[] = [];
  for (let count = 0; count < inputs && findings.length < 10; count++) {
    const parent = corpus[random.below(corpus.length)];
    const input = mutate(parent, random, corpus[random.below(corpus.length)]);
    const kept = input.slice();
    const began = process.cpuUsage();
    try {
      const way = target.run(input);
      const { user, system } = process.cpuUsage(began);
      if (user + system > PATIENCE * 1000) throw new CriuWasmError("takes too long");
      if (ways.has(way)) continue;
      ways.add(way);
      if (corpus.length < target.seeds.length + CORPUS) corpus.push(kept);
    } catch (error) {
      findings.push({ target: target.name, input: kept, error });
    }
  }
  return { findings, ways: ways.size };
}
