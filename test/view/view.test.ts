/** The viewer, clicked through in a browser. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type TestContext, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { packageFile } from "../../ts-host/assets.ts";
import { serveView } from "../../ts-host/cli/view.ts";
import { createCheckpoint } from "../../ts-host/images/create.ts";
import { DirectorySource } from "../../ts-host/images/directory.ts";
import { openCheckpoint } from "../../ts-host/images/open.ts";
import type { FileSource, RandomFile } from "../../ts-host/images/source.ts";
import { convert } from "../../ts-host/offline/convert.ts";
import { startBrowser } from "../support/browser.ts";
import { pageOf, writeHandmade } from "../support/handmade.ts";
import { writeManyProcesses } from "../support/many-processes.ts";
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

/** The address under which the source is served until the test ends. */
async function served(t: TestContext, source: FileSource): Promise<string> {
  const { url, server } = await serveView(source, 0);
  t.after(() => server.close());
  t.after(() => server.closeAllConnections());
  return url;
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

  await page.waitForSelector(".mapping[data-kind=heap]");
  assert.equal(await page.locator(".mappings").getAttribute("data-count"), "98");
  const heap = await page.locator(".mapping[data-kind=heap]").innerText();
  assert.match(heap, /ec3a000-edbe000\s+rw-p\s+1\.5 MiB\s+\[heap\]/);
  assert.match((await texts(page, ".legend")).join(), /in the images 5\.8 MiB/);
  await page.waitForSelector(".hexdump pre div");
  assert.equal((await texts(page, ".hexdump pre div")).length, 16);
  await picture(page, "memory-light");

  await page.keyboard.press("g");
  await page.locator(".hexdump input:focus").waitFor();
  await page.keyboard.type("0x7ffea8723cd0");
  await page.keyboard.press("Enter");
  await dumpBegins(page, "7ffea8723cd0");
  await page.locator(".hexdump input").blur();
  await page.keyboard.press("]");
  await dumpBegins(page, "7ffea8723dd0");

  await page.keyboard.press("2");
  await page.waitForSelector(".descriptors");
  assert.equal(await page.locator(".descriptors").getAttribute("data-count"), "30");
  const cells = async (fd: number) => {
    const row = page.locator(".descriptors .row", { has: page.locator(`.number:text-is("${fd}")`) });
    return (await row.locator(".descriptor > *").allInnerTexts()).map((text) => text.replaceAll(/\s+/g, " "));
  };
  const connection = await cells(16);
  assert.deepEqual(connection.slice(1, 3), ["inetsk", "tcp 127.0.0.1:58386 -> 127.0.0.1:33271 cloexec"]);
  assert.match(connection[4], /^7478:17 7483:17 7485:17$/);
  assert.match((await cells(3))[3], /^7483:3 7485:3$/);
  await picture(page, "descriptors-light");

  await page.keyboard.press("3");
  assert.equal(await page.locator(".thread").count(), 4);
  await page
    .locator(".thread", { hasText: /ip\s*7f585aa0e543/ })
    .first()
    .waitFor();
  await picture(page, "threads-light");
  await page.keyboard.press("j");
  await page.locator(".thread:only-child").waitFor();
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.keyboard.press("1");
  await page.waitForSelector("text=No memory: the process has ended.");
  // Before the directory goes, in which it may still be reading.
  await page.close();
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
  await page.waitForSelector(".matches .row");
  assert.match(await page.locator("p[role=status]").innerText(), /^1000 matches and more$/);
  const [first] = await texts(page, ".matches .row");
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
  const url = await served(t, new DirectorySource(native));
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
  await page.waitForSelector(".mapping");
  assert.match(await page.locator("header").innerText(), /native, 1 process$/m);
  await page.keyboard.press("3");
  assert.equal(await page.locator(".thread").count(), 21);
});

/** A source that notes how many bytes of pages are read. */
class WatchedSource extends DirectorySource {
  pageBytes = 0;

  override open(name: string): RandomFile {
    const file = super.open(name);
    return {
      path: file.path,
      length: file.length,
      read: (into, offset) => {
        if (name.startsWith("pages-")) this.pageBytes += into.length;
        file.read(into, offset);
      },
      close: () => file.close(),
    };
  }
}

/** The most memory that one of the browser's renderers had, in bytes. */
async function peakOfRenderers(browser: Browser): Promise<number> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  const renderers = processInfo.filter(({ type }) => type === "renderer");
  const peaks = renderers.map(({ id }) =>
    /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${id}/status`, "utf8")),
  );
  return Math.max(...peaks.map((found) => Number(found?.[1]) * 1024));
}

test("1,000 processes and 10 GiB: pages are read when they are looked at, work gives way and can be stopped", async (t) => {
  const directory = join(temporaryDirectory(t), "images");
  writeManyProcesses(directory, 1000, 2621);
  const source = new WatchedSource(directory);
  const url = await served(t, source);
  const browser = await startBrowser(t);
  if (browser === undefined) return;
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, colorScheme: "dark" });
  page.setDefaultTimeout(120_000);
  page.on("pageerror", (error) => assert.fail(error));
  await page.goto(url);
  await page.waitForSelector(".panel[data-pid='1000'] .mapping");
  assert.match(await page.locator("header").innerText(), /criu, 1000 processes/);
  assert.equal(await page.locator(".tree").getAttribute("data-count"), "1000");
  assert.ok((await page.locator(".tree button").count()) < 100, "only what is seen is on the page");
  assert.ok(source.pageBytes < 1 << 20, `${source.pageBytes} bytes of pages are read to open it`);
  await picture(page, "many-dark");

  // Down to the last, which is not on the page before.
  await page.locator(".tree").evaluate((tree) => tree.scrollTo(0, tree.scrollHeight));
  await page.click(".tree button:has-text('worker 110')");
  await page.waitForSelector(".panel[data-pid='1110'] .mapping");
  await page.keyboard.press("4");
  await page.locator(".panel pre", { hasText: /--worker\s+110$/ }).waitFor();
  await page.keyboard.press("2");
  await page.waitForSelector(".descriptors .row");
  const log = page.locator(".descriptors .row", { hasText: "/var/log/service.log" }).first();
  assert.match(await log.locator(".owners").first().innerText(), /1000:1\s+1000:2\s+1001:1\s+\+1996/);
  await log.locator(".owners button").first().click();
  await page.waitForSelector(".panel[data-pid='1000']");

  await page.keyboard.press("/");
  await page.fill("input[name=pattern]", "service\0--worker");
  await page.locator("form input[type=checkbox]").uncheck();
  await page.keyboard.press("Enter");
  await page.waitForSelector("text=1 match");
  await page.locator("form input[type=checkbox]").check();
  await page.fill("input[name=pattern]", "no such text");
  await page.keyboard.press("Enter");
  await page.waitForSelector("progress");
  await page.locator(".tree button").nth(1).click();
  await page.waitForSelector(`.panel:not([data-pid='1000'])`);
  assert.equal(await page.locator("progress").count(), 1, "it is still searched");
  await page.click("text=Stop");
  await page.locator("progress").waitFor({ state: "detached" });
  const peak = await peakOfRenderers(browser);
  assert.ok(peak < 700 << 20, `${peak} bytes of memory`);
});

test("the verb shows an archive as well; compared with a checkpoint in another archive", async (t) => {
  const folder = temporaryDirectory(t);
  const earlier = changedSample(t, "threads", { kind: "PSTREE" }, ([{ message }]) => {
    message.sid = 4;
  });
  const directory = sampleDirectory(t, "threads");
  const pack = (name: string, from: string): string => {
    execFileSync("tar", ["-czf", join(folder, name), "-C", from, "."]);
    return join(folder, name);
  };
  const archive = pack("checkpoint.tar.gz", directory);
  const program = spawn(process.execPath, [packageFile("dist/criu-wasm.cjs"), "view", archive, "--json"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => program.kill());
  const [line] = (await once(program.stdout, "data")) as [Buffer];
  const { url } = JSON.parse(line.toString()) as { url: string };
  const browser = await startBrowser(t);
  if (browser === undefined) return;
  const page = await browser.newPage();
  page.setDefaultTimeout(60_000);
  await page.goto(url);
  await page.waitForSelector(".mapping");
  assert.match(await page.locator("header").innerText(), /checkpoint\.tar\.gz\s+criu, 1 process$/m);
  await page.keyboard.press("6");
  await page.setInputFiles("#before-archive", pack("earlier.tar.gz", earlier));
  await page.waitForSelector("text=No difference.");
});

/** Drops files and directories on the page, as a person does from a window with files. */
async function drop(page: Page, files: string[]): Promise<void> {
  const session = await page.context().newCDPSession(page);
  for (const type of ["dragEnter", "dragOver", "drop"] as const) {
    const data = { items: [], files, dragOperationsMask: 1 };
    await session.send("Input.dispatchDragEvent", { type, x: 100, y: 100, data });
  }
}

test("dropped on the page: a directory with a checkpoint somewhere in it, two archives one after the other, no checkpoint", async (t) => {
  const folder = temporaryDirectory(t);
  const images = join(folder, "container/dumps/images");
  const pages = Array.from({ length: 3 }, (_, page) => pageOf(`page ${page} `));
  const start = 0x10000n;
  writeHandmade(images, [{ pid: 5, mappings: [{ start, pages: ["parent", pageOf("new"), "parent"] }] }]);
  writeHandmade(join(images, "parent"), [{ pid: 5, mappings: [{ start, pages }] }]);
  // More than a browser lists at once.
  for (let number = 0; number < 150; number++)
    writeFileSync(join(folder, `container/${number}.log`), "words");
  const browser = await startBrowser(t);
  if (browser === undefined) return;
  const page = await browser.newPage();
  page.setDefaultTimeout(60_000);
  page.on("pageerror", (error) => assert.fail(error));
  const header = (text: RegExp) => page.locator("header", { hasText: text }).waitFor();
  // Browsers read what is dropped in one way on a page that is a file, and in another elsewhere.
  for (const address of [
    `file://${resolve("dist/view.html")}`,
    await served(t, new DirectorySource(images)),
  ]) {
    await page.goto(address);
    await drop(page, [join(folder, "container")]);
    await header(/container\/dumps\/images\s*criu, 1 process, continues 1/);
    await page.locator(".hexdump pre div", { hasText: "page 0 page 0" }).first().waitFor();
  }
  for (const archive of ["podman", "zoo"]) {
    await drop(page, [resolve(`test/data/archives/${archive}.tar.zst`)]);
    await header(new RegExp(`${archive}\\.tar\\.zst.*criu, [14] process`));
  }
  await page.keyboard.press("o");
  await drop(page, [join(folder, "container/1.log"), join(folder, "container/2.log")]);
  await page.waitForSelector("[role=alert]");
  assert.match(await page.locator("[role=alert]").innerText(), /holds no checkpoint/);
});

test("threads and signals: what is pending, blocked, handled", async (t) => {
  const handler = 0x7f585aa0e540n;
  const directory = changedSample(t, "zoo", { kind: "CORE", id: 7478 }, ([{ message }]) => {
    const action = message.tc!.sigactions[0]!;
    Object.assign(action, { sigaction: handler, flags: 0x10000004n, mask: 1n << 14n });
    message.thread_core!.blk_sigset = 1n << 9n;
  });
  const page = await opened(t, directory);
  if (page === undefined) return;
  await page.keyboard.press("4");
  await page.waitForSelector(".actions tr");
  const actions = (await texts(page, ".actions tr")).map((row) => row.replaceAll(/\s+/g, " ").trim());
  assert.equal(actions[0], "SIGHUP 7f585aa0e540 SA_SIGINFO SA_RESTART blocks SIGTERM");
  assert.ok(
    actions.some((row) => /^SIGPIPE ignored/.test(row)),
    actions.join(),
  );
  await picture(page, "process-light");
  await page.keyboard.press("3");
  await page.locator(".thread", { hasText: "blocks SIGUSR1" }).waitFor();
  await page.keyboard.press("4");
  await page.click(".actions button");
  await dumpBegins(page, "7f585aa0e540");
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
