/** criu-wasm decode: an image file as JSON. */
import type { Command } from "commander";
import { CriuWasmError } from "../errors.ts";
import { imageOfBytes, openImage } from "../offline/image-file.ts";
import { type Manual, newCommand } from "./command.ts";
import { readInput } from "./input.ts";
import { withOutput } from "./output.ts";
import { Progress } from "./progress.ts";
import type { Terminal } from "./terminal.ts";
import { bytes } from "./units.ts";

interface Options {
  in?: string;
  out?: string;
  pretty?: boolean;
}

async function decode({ in: file, out, pretty = false }: Options, terminal: Terminal): Promise<void> {
  const image = file === undefined ? imageOfBytes(await readInput(), "stdin") : openImage(file);
  const progress = new Progress(terminal);
  try {
    await withOutput(out, terminal, async (output) => {
      let written = 0;
      for (const part of image.json(pretty)) {
        await output.write(part);
        written += part.length;
        await progress.showAndBreathe(() => `decode: ${bytes(written)} of JSON`);
      }
      if (out === undefined) await output.write("\n");
    });
  } catch (error) {
    throw error instanceof CriuWasmError ? error.within({ file: file ?? "stdin" }) : error;
  } finally {
    progress.end();
  }
}

const MANUAL: Manual = {
  name: "decode",
  synopsis: "[-i IMAGE] [-o FILE] [--pretty]",
  description: [
    "Prints an image as JSON, in the words and the order of CRIU's crit, so that scripts made for that go on working; encode makes the same bytes of it again.",
    "The image is a file of CRIU's format, or DIR/NAME.img where DIR has a native checkpoint: info lists what is in it.",
    'Integers are exact, whatever their size. Fields that are not known here are kept under the key "unknown".',
  ],
  examples: [
    ["criu-wasm decode -i images/core-812.img --pretty", "Registers, signals and timers of process 812."],
    ["criu-wasm decode -i images/files.img | jq '.entries[].reg.name'", "All regular files."],
  ],
};

export function decodeCommand(terminal: Terminal): Command {
  return newCommand(MANUAL)
    .option("-i, --in <image>", "the image (default: stdin)")
    .option("-o, --out <file>", "where the JSON goes (default: stdout)")
    .option("--pretty", "over several lines; flags, addresses and devices as people write them")
    .action((options: Options) => decode(options, terminal));
}
