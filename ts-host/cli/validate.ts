/** criu-wasm validate: is a checkpoint whole, and does everything in it fit together? */
import type { Command } from "commander";
import { describeFinding, type Finding, validateInSteps } from "../offline/validate/index.ts";
import { type Manual, newCommand } from "./command.ts";
import { openInput, readsCheckpoint } from "./input.ts";
import { json } from "./options.ts";
import { runSteps } from "./progress.ts";
import { machineJson, type Terminal } from "./terminal.ts";
import { counted } from "./units.ts";
import { NegativeAnswer } from "./verb.ts";

interface Options {
  imagesDir: string;
  json?: boolean;
}

/** Findings of one checkpoint are told up to this many. */
const MOST = 10_000;

async function validate(options: Options, terminal: Terminal): Promise<void> {
  const checkpoint = await openInput(options.imagesDir, terminal);
  const findings: Finding[] = [];
  let total = 0;
  let errors = 0;
  await runSteps<void, Finding>("validate", validateInSteps(checkpoint), terminal, async (finding) => {
    total++;
    if (finding.severity === "error") errors++;
    if (total > MOST) return;
    findings.push(finding);
    if (!options.json) await terminal.print(`${describeFinding(finding)}\n`);
  });
  checkpoint.close();
  const warnings = total - errors;
  await terminal.print(
    options.json
      ? machineJson({ valid: errors === 0, errors, warnings, findings })
      : `${total > MOST ? "… in all " : ""}${counted(errors, "error")}, ${counted(warnings, "warning")}\n`,
  );
  if (errors > 0) throw new NegativeAnswer();
}

const MANUAL: Manual = {
  name: "validate",
  synopsis: "[PATH] [--json]",
  description: ["Parses every image of a checkpoint, follows every reference and reads every page."],
  examples: [["criu-wasm validate -D images", "What is wrong with the checkpoint, one finding a line."]],
  exitStatus: "0 when nothing is wrong (there may be warnings), 1 when something is, or it cannot be read.",
};

export function validateCommand(terminal: Terminal): Command {
  return readsCheckpoint(newCommand(MANUAL))
    .addOption(json())
    .action((_path, options: Options) => validate(options, terminal));
}
