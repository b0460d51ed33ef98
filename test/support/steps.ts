/** What work that goes in steps comes to. */
export function runToEnd<R>(work: Generator<unknown, R>): R {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
  }
}
