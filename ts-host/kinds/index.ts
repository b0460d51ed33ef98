/** The only registry of kinds. */
import { inOrder, type Kind } from "../engine/kind.ts";
import { alternateStack } from "./alternate-stack.ts";
import { files } from "./files/descriptors.ts";
import { directories } from "./files/directories.ts";
import { memfd } from "./files/memfd.ts";
import { terminal } from "./files/terminal.ts";
import { itimers } from "./itimers.ts";
import { memory } from "./memory/index.ts";
import { memoryLocks } from "./memory/locks.ts";
import { memoryNames } from "./memory/names.ts";
import { mappingPolicy } from "./memory/policy.ts";
import { pendingSignals } from "./pending-signals.ts";
import { personality } from "./personality.ts";
import { posixTimers } from "./posix-timers.ts";
import { registers } from "./registers.ts";
import { session } from "./session.ts";
import { signalActions } from "./signal-actions.ts";
import { stopped } from "./stopped.ts";
import { thread } from "./thread.ts";

export const KINDS: readonly Kind[] = inOrder([
  session,
  memory,
  memoryLocks,
  memoryNames,
  mappingPolicy,
  files,
  memfd,
  terminal,
  directories,
  personality,
  thread,
  alternateStack,
  signalActions,
  itimers,
  posixTimers,
  pendingSignals,
  registers,
  stopped,
]);
