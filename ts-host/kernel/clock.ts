/** Milliseconds since some moment. `performance` says the same, but takes Node milliseconds to set up. */
export function now(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}
