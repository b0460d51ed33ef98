/** The viewer, clicked through in a browser. */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { type TestContext, test } from "node:test";
import type { Page } from "playwright-core";
import { serveView } from "../../ts-host/cli/view.ts";
import { DirectorySource } from "../../ts-host/images/directory.ts";
import { createCheckpoint, openCheckpoint } from "../../ts-host/images/open.ts";
import { convert } from "../../ts-host/offline/convert.ts";
import { startBrowser } from "../support/browser.ts";
import { changedSample, sampleDirectory, temporaryDirectory } from "../support/samples.ts";

/** Where pictures of the pages go, for people to look at. */
const PICTURES = process.env.CRIU_WASM_TEST_PICTURES;

async function picture(page: Page, name: string): Promise<void> {
  if (PICTURES === undefined) return;
  mkdirSync(PICTURES, { recursive: true });
  await page.screenshot({ path: `${PICTURES}/${name}.png` });
}

/** The page without a server, a checkpoint chosen on it; undefined where there is no browser. */
async function opened(t: TestContext, directory: string): Promise<Page | undefined> {
  const browser = await startBrowser(t);
  if (browser === undefined) return undefined;
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, colorScheme: "light" });
  page.setDefaultTimeout(60_000);
  page.on("pageerror", (error) => assert.fail(error));
  await page.goto(`file://${resolve("dist/view.html")}`);
  await page.setInputFiles("#directory", directory);
  await page.waitForSelector(".tree button");
  return page;
}

const texts = (page: Page, selector: string) => page.locator(selector).allInnerTexts();

/** Waits until the hexdump shows this address first. */
async function dumpBegins(page: Page, address: string): Promise<void> {
  const first = page.locator(".hexdump pre div:first-child", { hasText: new RegExp(`^[ 0]*${address}`) });
  await first.waitFor();
}

test("a directory on the page: tree, memory, descriptors, threads, arguments", async (t) => {
  const page = await opened(t, process.env.CRIU_WASM_TEST_ZOO ?? sampleDirectory(t, "zoo"));
  if (page === undefined) return;
  const tree = (await texts(page, ".tree button")).map((line) => line.replaceAll(/\s+/g, " "));
  assert.deepEqual(
    tree.map((line) => line.split(" ")[0]),
    ["7478", "7483", "7485", "7484"],
  );
  assert.match(tree[0], /7478 python3 4 threads/);
  assert.match(tree[3], /7484 python3 zombie/);

  await page.waitForSelector(".mappings tr[data-kind=heap]");
  assert.equal(await page.locator(".mappings tr").count(), 98);
  const heap = await page.locator(".mappings tr[data-kind=heap]").innerText();
  assert.match(heap, /ec3a000-edbe000\s+rw-p\s+1\.5 MiB\s+\[heap\]/);
  assert.match((await texts(page, ".legend")).join(), /in the images 5\.8 MiB/);
  await page.waitForSelector(".hexdump pre div");
  assert.equal((await texts(page, ".hexdump pre div")).length, 32);
  await picture(page, "memory-light");

  await page.keyboard.press("g");
  await page.locator(".hexdump input:focus").waitFor();
  await page.keyboard.type("0x7ffea8723cd0");
  await page.keyboard.press("Enter");
  await dumpBegins(page, "7ffea8723cd0");
  await page.locator(".hexdump input").blur();
  await page.keyboard.press("]");
  await dumpBegins(page, "7ffea8723ed0");

  await page.keyboard.press("2");
  await page.waitForSelector(".descriptors");
  const rows = await texts(page, ".descriptors tbody tr");
  assert.equal(rows.length, 30);
  const cells = (fd: number) => rows.find((row) => row.startsWith(`${fd}\t`))!.split("\t");
  assert.deepEqual(cells(16).slice(1, 3), ["inetsk", "tcp 127.0.0.1:58386 -> 127.0.0.1:33271 cloexec"]);
  assert.match(cells(16)[4], /^7478:17, 7483:17, 7485:17$/);
  assert.match(cells(3)[3], /^7483:3, 7485:3$/);
  await picture(page, "descriptors-light");

  await page.keyboard.press("3");
  assert.equal(await page.locator(".thread").count(), 4);
  assert.match(await page.locator(".thread").first().innerText(), /ip\s+7f585aa0e543/);
  await picture(page, "threads-light");
  await page.keyboard.press("j");
  await page.locator(".thread:only-child").waitFor();
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.keyboard.press("1");
  await page.waitForSelector("text=No memory: the process has ended.");
});

test("search, findings, difference, dark", async (t) => {
  const directory = changedSample(t, "zoo", { kind: "FILE_LOCKS" }, ([{ message }]) => {
    message.fd = 99;
  });
  const page = await opened(t, directory);
  if (page === undefined) return;
  await page.keyboard.press("7");
  await page.waitForSelector(".findings li");
  assert.deepEqual(await texts(page, ".findings li"), [
    "error: filelocks.img, record 0, field fd: process 7478 has no descriptor 99",
  ]);

  await page.keyboard.press("t");
  assert.equal(await page.evaluate("document.documentElement.dataset.theme"), "dark");
  await page.keyboard.press("/");
  await page.selectOption("select", "hex");
  await page.fill("input[name=pattern]", "00 00 00 00 00 00 00 00 00");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".matches div");
  assert.match(await page.locator("p[role=status]").innerText(), /^1000 matches and more$/);
  const [first] = await texts(page, ".matches div");
  await page.locator(".matches button").first().click();
  const address = /^\s*\d+\s+([0-9a-f]+)/.exec(first)![1].replace(/^0+/, "").slice(0, -1);
  await dumpBegins(page, address);
  await picture(page, "memory-dark");

  const earlier = changedSample(t, "zoo", { kind: "FILES" }, (records) => {
    records.find(({ message }) => message.id === 48)!.message.reg!.name = Buffer.from("/srv/demo/zoo/before");
  });
  await page.keyboard.press("6");
  await page.setInputFiles("#before", earlier);
  await page.waitForSelector(".difference");
  const differences = await texts(page, ".difference");
  assert.match(differences[0], /7478 python3/);
  assert.match(differences[0], /fd 28: \/srv\/demo\/zoo\/before .* \/srv\/demo\/zoo\/log/);
  await picture(page, "diff-dark");
});

test("served by the verb, a native checkpoint; nobody else is answered", async (t) => {
  const native = `${temporaryDirectory(t)}/native`;
  convert(openCheckpoint(sampleDirectory(t, "threads")), createCheckpoint(native, "native"));
  const { url, server } = await serveView(new DirectorySource(native), 0);
  t.after(() => server.close());
  t.after(() => server.closeAllConnections());
  const [base] = url.split("#");
  const get = (path: string, headers: Record<string, string> = {}) => fetch(new URL(path, base), { headers });
  assert.equal((await get("../")).status, 404);
  assert.equal((await get("/0123/list")).status, 404);
  assert.equal((await get("file?name=../../etc/passwd")).status, 422);
  assert.equal((await get("list")).status, 200);
  const browser = await startBrowser(t);
  if (browser === undefined) return;
  const page = await browser.newPage();
  page.setDefaultTimeout(60_000);
  await page.goto(url);
  await page.waitForSelector(".mappings tr");
  assert.match(await page.locator("header").innerText(), /native, 1 processes/);
  await page.keyboard.press("3");
  assert.equal(await page.locator(".thread").count(), 21);
});

test("what is no checkpoint is said on the page", async (t) => {
  const browser = await startBrowser(t);
  if (browser === undefined) return;
  const page = await browser.newPage();
  await page.goto(`file://${resolve("dist/view.html")}`);
  await page.setInputFiles("#archive", "package.json");
  await page.waitForSelector("[role=alert]");
  assert.match(await page.locator("[role=alert]").innerText(), /holds no checkpoint/);
});
