/** The only registry of kinds. */
import { inOrder, type Kind } from "../engine/kind.ts";
import { memory } from "./memory/index.ts";
import { registers } from "./registers.ts";
import { session } from "./session.ts";
import { thread } from "./thread.ts";

export const KINDS: readonly Kind[] = inOrder([session, memory, thread, registers]);
