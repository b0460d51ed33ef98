/** What is to be removed when a signal ends the command. */
import { constants } from "node:os";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * `remove` is run when a signal ends the command, which it can while the event loop has its turns; the function
 * that is returned calls this off.
 */
export function onSignal(remove: () => void): () => void {
  const end = (signal: (typeof SIGNALS)[number]) => {
    remove();
    process.exit(128 + constants.signals[signal]);
  };
  for (const signal of SIGNALS) process.once(signal, end);
  return () => {
    for (const signal of SIGNALS) process.off(signal, end);
  };
}
