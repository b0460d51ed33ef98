/** The library in a browser: what a page and its worker see of the same checkpoints. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createCheckpoint } from "../../ts-host/images/create.ts";
import { openCheckpoint } from "../../ts-host/images/open.ts";
import { convert } from "../../ts-host/offline/convert.ts";
import { openDirectory } from "../../ts-host/offline/node.ts";
import { startBrowser } from "../support/browser.ts";
import { hasProgram } from "../support/program.ts";
import { sampleDirectory, temporaryDirectory } from "../support/samples.ts";

const ORIGIN = "http://library.test";
const PAGE = `<!doctype html><input type="file" id="directory" webkitdirectory><input type="file" id="archive">`;
const WORKER = `
import { openFiles } from "/offline.mjs";
onmessage = async ({ data: { files, pid } }) => {
  try {
    const checkpoint = await openFiles(files);
    const process = checkpoint.process(pid);
    const pieces = [];
    for (const { start, end, content } of process.memory.pieces()) {
      if (content.is !== "stored") continue;
      const bytes = process.memory.read(start, Number(end - start));
      pieces.push([start.toString(16), bytes.reduce((sum, byte) => (sum * 31 + byte) | 0, 7)]);
    }
    postMessage({
      format: checkpoint.format,
      processes: checkpoint.processes.map(({ pid, name }) => [pid, name]),
      descriptors: process.descriptors.map(({ text }) => text),
      pieces,
    });
  } catch (error) {
    postMessage({ error: String(error) });
  }
};`;

interface Seen {
  error?: string;
  format: string;
  processes: [number, string][];
  descriptors: string[];
  pieces: [string, number][];
}

/** What a worker finds in the files that a person has chosen on a page. */
async function seenByPage(t: TestContext, input: "directory" | "archive", path: string, pid: number) {
  const browser = await startBrowser(t);
  if (browser === undefined) return undefined;
  const page = await browser.newPage();
  await page.route(`${ORIGIN}/**`, (route) => {
    const name = new URL(route.request().url()).pathname;
    if (name === "/") return route.fulfill({ contentType: "text/html", body: PAGE });
    const body = name === "/worker.mjs" ? WORKER : readFileSync("dist/offline.browser.mjs");
    return route.fulfill({ contentType: "text/javascript", body });
  });
  await page.goto(`${ORIGIN}/`);
  await page.setInputFiles(`#${input}`, path);
  const ask = `new Promise((resolve, reject) => {
    const worker = new Worker("/worker.mjs", { type: "module" });
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage({ files: [...document.querySelector("#${input}").files], pid: ${pid} });
  })`;
  return (await page.evaluate(ask)) as Seen;
}

/** The same, under Node. */
function seenHere(directory: string, pid: number): Seen {
  const checkpoint = openDirectory(directory);
  const process = checkpoint.process(pid);
  const pieces: [string, number][] = [];
  for (const { start, end, content } of process.memory.pieces()) {
    if (content.is !== "stored") continue;
    const bytes = process.memory.read(start, Number(end - start));
    pieces.push([start.toString(16), bytes.reduce((sum, byte) => (sum * 31 + byte) | 0, 7)]);
  }
  const seen: Seen = {
    format: checkpoint.format,
    processes: checkpoint.processes.map((each) => [each.pid, each.name]),
    descriptors: process.descriptors.map(({ text }) => text),
    pieces,
  };
  checkpoint.close();
  return seen;
}

test("a directory that is chosen on a page: the same values as under Node, every page read", async (t) => {
  const directory = sampleDirectory(t, "zoo");
  const seen = await seenByPage(t, "directory", directory, 7478);
  if (seen === undefined) return;
  assert.deepEqual(seen, seenHere(directory, 7478));
});

for (const [compressor, compress] of [
  ["gzip", "zstd"],
  ["zstd", "lz4"],
] as const)
  test(`an archive with ${compressor} of a native checkpoint with ${compress}, in a browser`, async (t) => {
    if (!hasProgram(compressor)) return t.skip(`needs ${compressor}`);
    const folder = temporaryDirectory(t);
    const native = join(folder, "native");
    convert(openCheckpoint(sampleDirectory(t, "threads")), createCheckpoint(native, "native", { compress }));
    const archive = join(folder, `checkpoint.tar.${compressor === "gzip" ? "gz" : "zst"}`);
    execFileSync("tar", [`--${compressor}`, "-cf", archive, "-C", native, "."]);
    const seen = await seenByPage(t, "archive", archive, 7434);
    if (seen === undefined) return;
    assert.equal(seen.format, "native");
    assert.deepEqual(seen, seenHere(native, 7434));
  });
