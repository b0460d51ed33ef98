/**
 * Signals that ask this process to end, while it is in the middle of something that has to be cleaned up. No
 * handler in JavaScript can run before all work is done, as all of it is synchronous: so they are noted, and
 * looked for at places where the work can be broken off.
 */
import { InterruptedError } from "../errors.ts";
import { SIGHUP, SIGINT, SIGTERM, signalName } from "../kernel/abi/signal.ts";
import { call } from "./calls.ts";
import { watchedSignal, watchSignal } from "./ffi.ts";

const KERNEL_SIGACTION = 32;

/** Runs `body` with the signals watched. They are obeyed again afterwards. */
export function withWatchedSignals<T>(body: () => T): T {
  const old = [SIGINT, SIGTERM, SIGHUP].map((number) => {
    const action = Buffer.alloc(KERNEL_SIGACTION);
    watchSignal(number, action);
    return { number, action };
  });
  try {
    return body();
  } finally {
    for (const { number, action } of old) call("rt_sigaction", number, action, 0, 8);
  }
}

/** @throws InterruptedError where one of them has come */
export function throwIfInterrupted(): void {
  const signal = watchedSignal();
  if (signal !== 0) throw new InterruptedError(`broken off by ${signalName(signal)}`, { signal });
}
