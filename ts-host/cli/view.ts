/** criu-wasm view: shows a checkpoint in a browser, served to this machine alone. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Command } from "commander";
import { asset } from "../assets.ts";
import { CriuWasmError, describe, ImageError, UsageError } from "../errors.ts";
import { type FileSource, readWhole } from "../images/source.ts";
import { gathered, type Listing, type Step } from "../view/remote-source.ts";
import { type Manual, newCommand } from "./command.ts";
import { openInput, readsCheckpoint } from "./input.ts";
import { json } from "./options.ts";
import { machineJson, type Terminal } from "./terminal.ts";

interface Options {
  imagesDir: string;
  port: number;
  json?: boolean;
}

/** A page of a pack, or of a stream, is asked for in pieces; none is larger. */
const MOST_BYTES = 64 << 20;
/** What may be read beside what a directory lists: packs of a store. */
const STORED_PACK = /^packs\/[0-9a-f]+\.pack$/;
const MOST_STEPS = 1000;

function follow(source: FileSource, steps: readonly Step[]): FileSource {
  if (steps.length > MOST_STEPS) throw new ImageError("too long a chain");
  let at = source;
  for (const step of steps) {
    const next = "parent" in step ? at.parent() : at.elsewhere?.(step.elsewhere);
    if (next === undefined) throw new ImageError("leads nowhere", { file: at.location });
    at = next;
  }
  return at;
}

/** A directory, with what was listed of it: files of checkpoints do not come and go. */
interface Place {
  source: FileSource;
  listing: Listing;
  names: ReadonlySet<string>;
}

function sizeOf(source: FileSource, name: string): number | null {
  try {
    const file = source.open(name);
    file.close();
    return file.length;
  } catch (error) {
    // A directory, as the parent checkpoint is.
    if (error instanceof CriuWasmError) return null;
    throw error;
  }
}

class Places {
  readonly #source: FileSource;
  readonly #places = new Map<string, Place>();

  constructor(source: FileSource) {
    this.#source = source;
  }

  /** The one that the steps lead to. */
  at(steps: string): Place {
    let place = this.#places.get(steps);
    if (place === undefined) {
      const source = follow(this.#source, JSON.parse(steps) as Step[]);
      const names = source.list();
      const sizes = names.map((name) => sizeOf(source, name));
      const { location } = source;
      const listing = { location, names, sizes, hasParent: source.parent() !== undefined };
      place = { source, listing, names: new Set(names) };
      this.#places.set(steps, place);
    }
    return place;
  }
}

/** Bytes `from` to `to`, the last included, as a Range header says. */
function rangeOf(header: string | undefined, length: number): { from: number; to: number } {
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(header ?? "") ?? [undefined, "0", `${length - 1}`];
  return { from: Number(from), to: Math.min(Number(to), length - 1) };
}

function answer(
  places: Places,
  request: IncomingMessage,
  response: ServerResponse,
  what: string,
  query: URLSearchParams,
): void {
  const { source, listing, names } = places.at(query.get("at") ?? "[]");
  if (what === "list") {
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify(listing));
    return;
  }
  if (what === "gathered") {
    const parts = [...gathered(listing).keys()].map((name) => readWhole(source.open(name), MOST_BYTES));
    response.setHeader("Content-Type", "application/octet-stream");
    response.end(Buffer.concat(parts));
    return;
  }
  const name = query.get("name") ?? "";
  if (!STORED_PACK.test(name) && !names.has(name)) throw new ImageError("no such file", { file: name });
  const file = source.open(name);
  try {
    response.setHeader("X-Size", `${file.length}`);
    if (what === "size") {
      response.end();
      return;
    }
    const { from, to } = rangeOf(request.headers.range, file.length);
    if (to - from >= MOST_BYTES) throw new UsageError("more than 64 MiB at once");
    const bytes = new Uint8Array(Math.max(0, to - from + 1));
    file.read(bytes, from);
    response.statusCode = request.headers.range === undefined ? 200 : 206;
    response.setHeader("Content-Type", "application/octet-stream");
    response.end(bytes);
  } finally {
    file.close();
  }
}

/**
 * Serves the page and the files of `source` on the loopback address. Only who knows the token in the address is
 * answered, and only under a name of this machine, so that no page of another site can ask through the browser.
 */
export async function serveView(source: FileSource, port: number): Promise<{ url: string; server: Server }> {
  const token = randomBytes(16).toString("hex");
  const places = new Places(source);
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://localhost");
    const [, given, what] = url.pathname.split("/");
    const isLocal = /^(localhost|127\.0\.0\.1)(:\d+)?$/.test(request.headers.host ?? "");
    response.setHeader("Cache-Control", "no-store");
    try {
      if (!isLocal || given !== token || request.method !== "GET") {
        response.statusCode = 404;
        response.end("not found");
      } else if (what === "") {
        response.setHeader("Content-Type", "text/html; charset=utf-8");
        response.end(readFileSync(asset("view.html")));
      } else {
        answer(places, request, response, what, url.searchParams);
      }
    } catch (error) {
      response.statusCode = error instanceof CriuWasmError ? 422 : 500;
      response.end(describe(error));
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  const { port: taken } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${taken}/${token}/#from=.`, server };
}

async function view(options: Options, terminal: Terminal): Promise<void> {
  const checkpoint = await openInput(options.imagesDir, terminal);
  try {
    const { url, server } = await serveView(checkpoint.source, options.port);
    await terminal.print(options.json ? machineJson({ url }) : `${url}\nCtrl-C ends it.\n`);
    await new Promise((resolve) => server.once("close", resolve));
  } finally {
    checkpoint.close();
  }
}

function portNumber(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new UsageError(`not a port: ${text}`);
  return port;
}

const MANUAL: Manual = {
  name: "view",
  synopsis: "[PATH] [--port PORT] [--json]",
  description: [
    "Shows a checkpoint in a browser: prints an address to open. PATH is its directory, by default the current one, or a tar archive of it. It is served on the loopback address only, to who knows the address, until Ctrl-C.",
    "The same page, dist/view.html of the package, also works without a server: open it and drop a directory or a tar archive on it. Nothing is sent anywhere.",
  ],
  examples: [["criu-wasm view images", "Prints an address like http://127.0.0.1:40123/…/."]],
};

export function viewCommand(terminal: Terminal): Command {
  return readsCheckpoint(newCommand(MANUAL))
    .option("--port <port>", "of the loopback address (default: a free one)", portNumber, 0)
    .addOption(json())
    .action((_path, options: Options) => view(options, terminal));
}
