/** Says on a terminal how far the work is, when it takes longer than people like to wait without a word. */

import { now } from "../kernel/clock.ts";
import type { Progress as Step } from "../offline/progress.ts";
import { onSignal } from "./leftovers.ts";
import type { Terminal } from "./terminal.ts";

const PATIENCE_MS = 500;
const INTERVAL_MS = 100;
/** How long the event loop may go without a turn: signals come in with it. */
const BREATH_MS = 50;

/** Signals that have come are heeded before it is over. */
const turnOfEventLoop = () => new Promise(setImmediate);

export class Progress {
  readonly #terminal: Terminal;
  #nextShow = now() + PATIENCE_MS;
  #lastBreath = now();
  #isShown = false;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Called as often as one likes; `text` is made only when it is shown. */
  show(text: () => string): void {
    const time = now();
    if (!this.#terminal.status || time < this.#nextShow) return;
    this.#nextShow = time + INTERVAL_MS;
    this.#isShown = true;
    this.#terminal.status(text());
  }

  /** As `show`; lets the event loop have its turn now and then. */
  async showAndBreathe(text: () => string): Promise<void> {
    this.show(text);
    if (now() - this.#lastBreath < BREATH_MS) return;
    await turnOfEventLoop();
    this.#lastBreath = now();
  }

  /** Takes the line away. */
  end(): void {
    if (this.#isShown) this.#terminal.status?.("");
  }
}

/** `40 %`. */
export const percent = (done: number, total: number) =>
  `${total > 0 ? Math.floor((100 * done) / total) : 100} %`;

/**
 * Runs work that goes in steps to its end, and says how far it is: `core of 812: 40 %`. `each` gets what the work
 * yields beside its progress. A signal ends the work, which clears up, and the command.
 */
export async function runSteps<R, T = never>(
  label: string,
  work: Generator<Step | T, R>,
  terminal: Terminal,
  each: (value: T) => Promise<void> = async () => {},
): Promise<R> {
  const progress = new Progress(terminal);
  const callOff = onSignal(() => {
    progress.end();
    work.return(undefined as R);
  });
  try {
    for (;;) {
      const step = work.next();
      if (step.done) {
        await turnOfEventLoop();
        return step.value;
      }
      if (isStep(step.value)) {
        const { done, total } = step.value;
        await progress.showAndBreathe(() => `${label}: ${percent(done, total)}`);
      } else {
        progress.end();
        await each(step.value);
      }
    }
  } finally {
    callOff();
    progress.end();
  }
}

function isStep<T>(value: Step | T): value is Step {
  return typeof value === "object" && value !== null && "done" in value && "total" in value;
}
