/**
 * Checkpoints whose pages are watched as they go by: `step` is called with how many there are and how many have
 * gone, and before each image. What it throws breaks the dump or restore off.
 */
import type { CheckpointReader, CheckpointWriter, PageSink, PageSource } from "../images/checkpoint.ts";
import { throwIfInterrupted, withWatchedSignals } from "../native/watched-signals.ts";
import { PAGE_SIZE } from "../wasm/pages.ts";
import { Progress } from "./progress.ts";
import type { Terminal } from "./terminal.ts";
import { bytes } from "./units.ts";

/** `done` and `total` count bytes of memory. */
export type Step = (done: number, total: number) => void;

export function watchedWriter(writer: CheckpointWriter, step: Step): CheckpointWriter {
  let done = 0;
  let total = 0;
  const watchedSink = (sink: PageSink): PageSink => ({
    id: sink.id,
    append(count, fill) {
      total += count * PAGE_SIZE;
      sink.append(count, (view, offset) => {
        step(done, total);
        fill(view, offset);
        done += view.length;
      });
    },
    appendDirectly:
      sink.appendDirectly &&
      ((count, put) => {
        total += count * PAGE_SIZE;
        step(done, total);
        sink.appendDirectly!(count, put);
        done += count * PAGE_SIZE;
      }),
    appendFrames:
      sink.appendFrames &&
      ((frames, fill) => {
        const end = done + frames.length * PAGE_SIZE;
        total += frames.length * PAGE_SIZE;
        sink.appendFrames!(frames, (view, offset) => {
          step(done, total);
          fill(view, offset);
          done += view.length;
        });
        done = end;
      }),
  });
  return {
    image(name, records) {
      step(done, total);
      writer.image(name, records);
    },
    pages: (id) => watchedSink(writer.pages(id)),
    commit() {
      step(done, total);
      writer.commit();
    },
    abort: () => writer.abort(),
  };
}

export function watchedReader(reader: CheckpointReader, step: Step): CheckpointReader {
  let done = 0;
  const total = PAGE_SIZE * reader.streams().reduce((sum, id) => sum + reader.pages(id).length, 0);
  const watchedSource = (source: PageSource): PageSource => ({
    length: source.length,
    read(first, count, drain) {
      source.read(first, count, (view, offset) => {
        step(done, total);
        drain(view, offset);
        done += view.length;
      });
    },
  });
  return {
    format: reader.format,
    location: reader.location,
    list: () => reader.list(),
    has: (name) => reader.has(name),
    read(name) {
      step(done, total);
      return reader.read(name);
    },
    size: (name) => reader.size(name),
    streams: () => reader.streams(),
    pageFigures: () => reader.pageFigures(),
    pages: (id) => watchedSource(reader.pages(id)),
    close: () => reader.close(),
  };
}

/** Runs the work of a verb: signals break it off at any step, and a terminal is told how far it is. */
export function stepwise<T>(verb: string, terminal: Terminal, body: (step: Step) => T): T {
  const progress = new Progress(terminal);
  try {
    return withWatchedSignals(() =>
      body((done, total) => {
        throwIfInterrupted();
        progress.show(() => `${verb}: ${bytes(done)} of ${bytes(total)} of memory`);
      }),
    );
  } finally {
    progress.end();
  }
}
