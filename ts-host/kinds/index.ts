/** The only registry of kinds. */
import { inOrder, type Kind } from "../engine/kind.ts";
import { alternateStack } from "./alternate-stack.ts";
import { children } from "./children.ts";
import { coredumpFilter } from "./coredump-filter.ts";
import { credentials } from "./credentials.ts";
import { dumpable } from "./dumpable.ts";
import { files } from "./files/descriptors.ts";
import { directories } from "./files/directories.ts";
import { memfd } from "./files/memfd.ts";
import { terminal } from "./files/terminal.ts";
import { futexHash } from "./futex-hash.ts";
import { hugePages } from "./huge-pages.ts";
import { itimers } from "./itimers.ts";
import { limits } from "./limits.ts";
import { loginuid } from "./loginuid.ts";
import { membarrier } from "./membarrier.ts";
import { memory } from "./memory/index.ts";
import { memoryLocks } from "./memory/locks.ts";
import { memoryNames } from "./memory/names.ts";
import { mappingPolicy } from "./memory/policy.ts";
import { memoryPolicy } from "./memory-policy.ts";
import { namespaces } from "./namespaces.ts";
import { oomScore } from "./oom-score.ts";
import { pendingSignals } from "./pending-signals.ts";
import { personality } from "./personality.ts";
import { posixTimers } from "./posix-timers.ts";
import { prctls } from "./prctls.ts";
import { registers } from "./registers.ts";
import { scheduling } from "./scheduling.ts";
import { seccomp } from "./seccomp.ts";
import { session } from "./session.ts";
import { sharedObjects } from "./shared-objects.ts";
import { signalActions } from "./signal-actions.ts";
import { stopped } from "./stopped.ts";
import { syscallDispatch } from "./syscall-dispatch.ts";
import { thread } from "./thread.ts";

export const KINDS: readonly Kind[] = inOrder([
  namespaces,
  children,
  sharedObjects,
  session,
  loginuid,
  memory,
  memoryLocks,
  memoryNames,
  mappingPolicy,
  files,
  memfd,
  terminal,
  directories,
  personality,
  oomScore,
  coredumpFilter,
  membarrier,
  futexHash,
  hugePages,
  thread,
  alternateStack,
  signalActions,
  itimers,
  posixTimers,
  pendingSignals,
  memoryPolicy,
  prctls,
  seccomp,
  limits,
  credentials,
  dumpable,
  scheduling,
  syscallDispatch,
  registers,
  stopped,
]);
