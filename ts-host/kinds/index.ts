/** The only registry of kinds. */
import { inOrder, type Kind } from "../engine/kind.ts";
import { files } from "./files/descriptors.ts";
import { directories } from "./files/directories.ts";
import { terminal } from "./files/terminal.ts";
import { memory } from "./memory/index.ts";
import { personality } from "./personality.ts";
import { registers } from "./registers.ts";
import { session } from "./session.ts";
import { thread } from "./thread.ts";

export const KINDS: readonly Kind[] = inOrder([
  session,
  memory,
  files,
  terminal,
  directories,
  personality,
  thread,
  registers,
]);
