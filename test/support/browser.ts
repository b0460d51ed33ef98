/** Headless Chromium for tests; where there is none, the test says so and is skipped. */
import { existsSync } from "node:fs";
import type { TestContext } from "node:test";
import { type Browser, chromium } from "playwright-core";

const PROGRAMS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Started Chromium, which ends with the test; undefined, and the test is skipped, where none is installed. */
export async function startBrowser(t: TestContext): Promise<Browser | undefined> {
  const executablePath = process.env.CHROMIUM ?? PROGRAMS.find((path) => existsSync(path));
  if (executablePath === undefined) {
    t.skip("no Chromium: install it (Debian: apt-get install chromium) or set CHROMIUM");
    return undefined;
  }
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  t.after(() => browser.close());
  return browser;
}
