/** /proc/PID/timers: the POSIX timers of a process. */
import { SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD, SIGEV_THREAD_ID } from "../abi/signal.ts";
import { decimal, hexadecimal, linesOf, malformed } from "./text.ts";

export interface ProcTimer {
  id: number;
  signal: number;
  /** sigev_value, as 64 bits. */
  value: bigint;
  /** SIGEV_SIGNAL, SIGEV_NONE or SIGEV_THREAD, with SIGEV_THREAD_ID where one thread is meant. */
  notify: number;
  /** The thread with SIGEV_THREAD_ID, otherwise the process; as the reader's pid namespace knows it. */
  target: number;
  /** Negative for CPU clocks: CLOCK_PROCESS_CPUTIME_ID of the process itself is −6. */
  clock: number;
}

const NOTIFY: Record<string, number> = { signal: SIGEV_SIGNAL, none: SIGEV_NONE, thread: SIGEV_THREAD };

/** The four lines of a timer. */
const LINES = [
  /^ID: (\d+)$/,
  /^signal: (\d+)\/([0-9a-f]+)$/,
  /^notify: (signal|none|thread)\/(pid|tid)\.(-?\d+)$/,
  /^ClockID: (-?\d+)$/,
];

export function parseTimers(bytes: Uint8Array, file: string): ProcTimer[] {
  const lines = linesOf(bytes, file);
  const timers: ProcTimer[] = [];
  for (let at = 0; at < lines.length; at += LINES.length) {
    const [id, signal, notify, clock] = LINES.map((pattern, index) => {
      const place = { file, line: at + index + 1 };
      const text = lines[at + index]?.text ?? "";
      const match = pattern.exec(text);
      if (match === null) throw malformed(place, "timer", `a line like ${pattern.source}`, text);
      return match;
    });
    const place = { file, line: at + 1 };
    timers.push({
      id: decimal(id![1], place, "ID"),
      signal: decimal(signal![1], place, "signal"),
      value: hexadecimal(signal![2], place, "signal"),
      notify: NOTIFY[notify![1]!]! | (notify![2] === "tid" ? SIGEV_THREAD_ID : 0),
      target: decimal(notify![3], place, "notify"),
      clock: decimal(clock![1], place, "ClockID"),
    });
  }
  return timers;
}
