/** What is to be removed when a signal ends the command. */
import { constants } from "node:os";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

const removals = new Set<() => void>();

/** The last that was asked for comes first: what is around it may need it to be over. */
function end(signal: (typeof SIGNALS)[number]): void {
  for (const remove of [...removals].reverse()) remove();
  process.exit(128 + constants.signals[signal]);
}

/**
 * `remove` is run when a signal ends the command, which it can while the event loop has its turns; the function
 * that is returned calls this off.
 */
export function onSignal(remove: () => void): () => void {
  if (removals.size === 0) for (const signal of SIGNALS) process.once(signal, end);
  removals.add(remove);
  return () => {
    removals.delete(remove);
    if (removals.size === 0) for (const signal of SIGNALS) process.off(signal, end);
  };
}
