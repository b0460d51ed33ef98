/** criu-wasm validate: is a checkpoint whole, and does everything in it fit together? */
import { Command } from "commander";
import { openPath } from "../offline/node.ts";
import { describeFinding, type Finding, validate as findingsOf } from "../offline/validate/index.ts";
import { imagesPath, json } from "./options.ts";
import { runOffline } from "./run.ts";

interface Options {
  imagesDir: string;
  json?: boolean;
}

/** Findings of one checkpoint are told up to this many. */
const MOST = 10_000;

async function action(options: Options): Promise<void> {
  await runOffline("validate", options, async () => {
    const checkpoint = await openPath(options.imagesDir);
    const findings: Finding[] = [];
    let total = 0;
    let errors = 0;
    for (const finding of findingsOf(checkpoint)) {
      total++;
      if (finding.severity === "error") errors++;
      if (total > MOST) continue;
      findings.push(finding);
      if (!options.json) process.stdout.write(`${describeFinding(finding)}\n`);
    }
    checkpoint.close();
    const summary = `${errors} errors, ${total - errors} warnings`;
    if (!options.json) process.stdout.write(`${total > MOST ? `… in all ` : ""}${summary}\n`);
    if (errors > 0) process.exitCode = 1;
    return { valid: errors === 0, errors, warnings: total - errors, findings };
  });
}

export const validate = new Command("validate")
  .description("check that a checkpoint is whole: parse every image, follow every reference, read every page")
  .addOption(imagesPath())
  .addOption(json())
  .addHelpText(
    "after",
    "\nExit status: 0 when nothing is wrong (there may be warnings), 1 when something is, or it cannot be read.",
  )
  .action(action);
