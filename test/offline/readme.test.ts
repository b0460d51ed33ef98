/** The examples of ts-host/offline/README.md run as they stand, and print what is under them. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { packageFile } from "../../ts-host/assets.ts";
import { openDirectory } from "../../ts-host/offline/node.ts";
import { startBrowser } from "../support/browser.ts";
import { hasProgram } from "../support/program.ts";
import { sampleDirectory, temporaryDirectory } from "../support/samples.ts";

const README = readFileSync("ts-host/offline/README.md", "utf8");

/** What is said of it, code, and what that prints. */
const EXAMPLES = [...README.matchAll(/\n\n((?:(?!\n\n).)+)\n\n```js\n(.*?)```\n\n```text\n(.*?)```/gs)].map(
  ([, title, code, printed]) => ({ title: title.replaceAll("\n", " "), code, printed }),
);

/** A place in which the package is installed and the examples find their checkpoints. */
function workplace(t: TestContext): string {
  const place = temporaryDirectory(t);
  mkdirSync(join(place, "node_modules"));
  symlinkSync(dirname(packageFile("package.json")), join(place, "node_modules/criu-wasm"));
  renameSync(sampleDirectory(t, "zoo"), join(place, "images"));
  writeAtStackPointer(join(place, "images"), 7478, "hunter2");
  return place;
}

/** The samples come without pages, so a test may put there what it likes. */
function writeAtStackPointer(directory: string, pid: number, text: string): void {
  const checkpoint = openDirectory(directory);
  const process = checkpoint.process(pid);
  const address = process.threads[0].stackPointer!;
  const [{ content }] = process.memory.piecesOf(process.mappingAt(address)!, address, address + 1n);
  assert.ok(content.is === "stored");
  const file = join(directory, `pages-${content.pagesId}.img`);
  const pages = readFileSync(file);
  pages.write(text, content.first * 4096 + Number(address % 4096n));
  writeFileSync(file, pages);
  checkpoint.close();
}

test("there are examples", () => assert.ok(EXAMPLES.length === README.match(/```text/g)!.length));

for (const { title, code, printed } of EXAMPLES) {
  test(title, (t) => {
    const place = workplace(t);
    if (code.includes(".tar.zst")) {
      if (!hasProgram("zstd")) return t.skip("needs zstd");
      execFileSync("tar", ["--zstd", "-cf", join(place, "images.tar.zst"), "-C", join(place, "images"), "."]);
    }
    writeFileSync(join(place, "example.mjs"), code);
    const { stdout, stderr } = spawnSync(process.execPath, ["example.mjs"], { cwd: place, encoding: "utf8" });
    assert.equal(stderr, "");
    assert.equal(stdout, printed);
  });
}

test("the example for browsers, in one", async (t) => {
  const worker = /```js worker\n(.*?)```/s.exec(README)![1].replace("criu-wasm/offline", "/offline.mjs");
  const browser = await startBrowser(t);
  if (browser === undefined) return;
  const page = await browser.newPage();
  await page.route("http://library.test/**", (route) => {
    const name = new URL(route.request().url()).pathname;
    const type = name === "/" ? "text/html" : "text/javascript";
    const input = `<!doctype html><input type="file" id="directory" webkitdirectory>`;
    const body =
      name === "/" ? input : name === "/worker.mjs" ? worker : readFileSync("dist/offline.browser.mjs");
    return route.fulfill({ contentType: type, body });
  });
  await page.goto("http://library.test/");
  await page.setInputFiles("#directory", sampleDirectory(t, "zoo"));
  const seen = await page.evaluate(`new Promise((resolve, reject) => {
    const worker = new Worker("/worker.mjs", { type: "module" });
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage([...document.querySelector("#directory").files]);
  })`);
  assert.deepEqual(seen, ["7478 python3", "7483 python3", "7485 python3", "7484 python3"]);
});
