/** Work of the worker that takes a while: how far it is, and a button that ends it. */
import { useEffect, useRef, useState } from "preact/hooks";

/** What a question is asked with: how far it is goes there, and `signal` says that nobody waits any more. */
export interface Patience {
  progress: (part: number) => void;
  signal: AbortSignal;
}

/** Runs one piece of work at a time: the one before is stopped, and so is it when the panel goes. */
export function useWork() {
  const [part, setPart] = useState<number>();
  const [error, setError] = useState<string>();
  const running = useRef<AbortController | undefined>(undefined);
  const stop = () => {
    running.current?.abort();
    setPart(undefined);
  };
  useEffect(() => () => running.current?.abort(), []);
  const run = async (work: (patience: Patience) => Promise<void>): Promise<void> => {
    stop();
    const controller = new AbortController();
    running.current = controller;
    setError(undefined);
    setPart(0);
    try {
      await work({ progress: setPart, signal: controller.signal });
    } catch (failure) {
      setError((failure as Error).message);
    }
    setPart(undefined);
  };
  return { part, error, run, stop };
}

export function Progress({ part, error, stop }: Pick<ReturnType<typeof useWork>, "part" | "error" | "stop">) {
  return (
    <>
      {part !== undefined && (
        <p class="progress">
          <progress value={part} />{" "}
          <button type="button" onClick={stop}>
            Stop
          </button>
        </p>
      )}
      {error && (
        <p class="error" role="alert">
          {error}
        </p>
      )}
    </>
  );
}
