/** Asks the worker: one question, one answer, and in between how far it is. */
import type { Asks, Question, Reply, Request } from "./protocol.ts";

interface Waiting {
  resolve(answer: unknown): void;
  reject(error: Error): void;
  progress(part: number): void;
}

export class Client {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;

  /** `code`: the worker's, as it was built into the page. */
  constructor(code: string) {
    const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    this.#worker = new Worker(url);
    this.#worker.onmessage = ({ data }: MessageEvent<Reply>) => this.#take(data);
  }

  #take(reply: Reply): void {
    const waiting = this.#waiting.get(reply.id);
    if (waiting === undefined) return;
    if ("progress" in reply) {
      waiting.progress(reply.progress);
      return;
    }
    this.#waiting.delete(reply.id);
    if ("error" in reply) waiting.reject(new Error(reply.error));
    else waiting.resolve(reply.answer);
  }

  /** `signal`: where the answer may come to be not wanted any more; the promise is then never settled. */
  ask<Q extends Question>(
    question: Q,
    ask: Asks[Q]["ask"],
    { progress = () => {}, signal }: { progress?: (part: number) => void; signal?: AbortSignal } = {},
  ): Promise<Asks[Q]["answer"]> {
    this.#last += 1;
    const id = this.#last;
    signal?.addEventListener("abort", () => {
      if (this.#waiting.delete(id)) this.#post({ id, stop: true });
    });
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (answer: unknown) => void, reject, progress });
      this.#post({ id, question, ask });
    });
  }

  #post(request: Request): void {
    this.#worker.postMessage(request);
  }
}
