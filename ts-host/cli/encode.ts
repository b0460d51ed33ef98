/** criu-wasm encode: an image file from JSON. */
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { CriuWasmError } from "../errors.ts";
import { fileCall } from "../images/files.ts";
import { imageOfJson } from "../images/json/from-json.ts";
import { type Manual, newCommand } from "./command.ts";
import { readInput } from "./input.ts";
import { withOutput } from "./output.ts";
import { runSteps } from "./progress.ts";
import type { Terminal } from "./terminal.ts";

interface Options {
  in?: string;
  out?: string;
}

async function encode({ in: file, out }: Options, terminal: Terminal): Promise<void> {
  const json = file === undefined ? await readInput() : fileCall("open", file, () => readFileSync(file));
  try {
    const image = await runSteps("encode", imageOfJson(new TextDecoder().decode(json)), terminal);
    await withOutput(out, terminal, (output) => output.write(image));
  } catch (error) {
    throw error instanceof CriuWasmError ? error.within({ file: file ?? "stdin" }) : error;
  }
}

const MANUAL: Manual = {
  name: "encode",
  synopsis: "[-i JSON] [-o FILE]",
  description: [
    "Makes an image file of CRIU's format from JSON as decode and CRIU's crit print it, pretty or not.",
    "A key that a message does not have, and a value that a field cannot hold, are refused by name.",
  ],
  examples: [
    [
      "criu-wasm decode -i pstree.img | sed 's/812/912/g' | criu-wasm encode -o pstree.img",
      "An image is changed.",
    ],
  ],
};

export function encodeCommand(terminal: Terminal): Command {
  return newCommand(MANUAL)
    .option("-i, --in <json>", "the JSON (default: stdin)")
    .option("-o, --out <file>", "where the image goes (default: stdout)")
    .action((options: Options) => encode(options, terminal));
}
