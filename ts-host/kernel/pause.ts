const never = new Int32Array(new SharedArrayBuffer(4));

/** Sleeps. The whole program does: for moments in which the kernel has to get on with something. */
export function pause(milliseconds: number): void {
  Atomics.wait(never, 0, 0, milliseconds);
}
