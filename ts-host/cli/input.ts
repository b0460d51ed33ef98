/** What verbs read: a checkpoint, or all of stdin. */
import { statSync } from "node:fs";
import type { Command, Option } from "commander";
import { UsageError } from "../errors.ts";
import type { Checkpoint } from "../offline/checkpoint.ts";
import { openPath } from "../offline/open-path.ts";
import { imagesPath } from "./options.ts";
import { Progress, percent } from "./progress.ts";
import type { Terminal } from "./terminal.ts";

/**
 * Lets a command be told which checkpoint it reads: by PATH, an argument after those that it has, or by -D; its action
 * finds either in the option.
 */
export function readsCheckpoint(command: Command, option: Option = imagesPath()): Command {
  const position = command.registeredArguments.length;
  return command
    .argument("[path]")
    .addOption(option)
    .hook("preAction", () => choosePath(command, command.processedArgs[position]));
}

/** Has the path, where there is one, take the place of -D. @throws UsageError where both are given */
export function choosePath(command: Command, path: string | undefined): void {
  if (path === undefined) return;
  if (command.getOptionValueSource("imagesDir") !== "default") {
    const { imagesDir } = command.opts<{ imagesDir: string }>();
    throw new UsageError(`${path} and -D ${imagesDir} both say which checkpoint`, {
      hint: "give one of them",
    });
  }
  command.setOptionValue("imagesDir", path);
}

/** Opens what a verb looks at. An archive has to be read first, which takes its time. */
export async function openInput(path: string, terminal: Terminal): Promise<Checkpoint> {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  const progress = new Progress(terminal);
  try {
    return await openPath(path, {
      onRead: (bytes) => progress.show(() => `reading ${path}: ${percent(bytes, size)}`),
    });
  } finally {
    progress.end();
  }
}

export async function readInput(): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of process.stdin) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
