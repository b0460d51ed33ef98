/** The package as npm makes it: what is in it, and that it runs where it was not built. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { packageFile } from "../ts-host/assets.ts";

import { SAMPLES } from "./support/samples.ts";
import { type Program, roundTrip } from "./support/victim.ts";
import { victims } from "./victims/catalogue.ts";

const place = mkdtempSync(join(tmpdir(), "criu-wasm-package-"));
const installed = join(place, "node_modules/criu-wasm");
const { bin, dependencies } = JSON.parse(readFileSync(packageFile("package.json"), "utf8"));
const command = join(installed, bin["criu-wasm"]);
let names: string[] = [];

/** The tarball, unpacked; what it depends on is where npm has put it for us. */
before(() => {
  const options = { cwd: packageFile("."), encoding: "utf8" } as const;
  const args = ["pack", "--ignore-scripts", "--json", "--pack-destination", place];
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const [{ filename, files }] = JSON.parse(execFileSync(npm, args, options));
  names = files.map(({ path }: { path: string }) => path);
  mkdirSync(installed, { recursive: true });
  execFileSync("tar", ["-xzf", join(place, filename), "-C", installed, "--strip-components=1"]);
  for (const name of Object.keys(dependencies)) {
    const link = join(place, "node_modules", name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(packageFile(join("node_modules", name)), link);
  }
});
after(() => rmSync(place, { recursive: true, force: true }));

const isShim = process.platform === "linux" && process.arch === "x64";
const skip = isShim ? false : "not x86-64 Linux";

test("it has what runs, and neither sources, nor maps, nor compiled code of this machine's Node", () => {
  const wanted = [
    "LICENSE",
    "README.md",
    "package.json",
    "dist/core.wasm",
    "dist/view.html",
    "dist/offline.mjs",
  ];
  if (isShim) wanted.push("dist/shim/shim.so", "dist/shim/seed");
  for (const name of wanted) assert.ok(names.includes(name), name);
  const others = names.filter((name) => !/^(LICENSE|README\.md|package\.json|dist\/)/.test(name));
  assert.deepEqual(others, []);
  assert.deepEqual(
    names.filter((name) => /\.(map|cache|c|S)$/.test(name)),
    [],
  );
});

test("the shim needs no C library, old or new or musl", { skip }, (t) => {
  const shim = join(installed, "dist/shim/shim.so");
  const { stdout, error } = spawnSync("nm", ["-D", "--undefined-only", shim], { encoding: "utf8" });
  if (error) return t.skip("nm is not installed");
  assert.equal(stdout, "");
});

test("a program is dumped and restored by it, with no compiler in the path", { skip }, async (t) => {
  const without: Program = ["/usr/bin/env", "-i", process.execPath, command];
  const counter = victims.find(({ name }) => name === "counter")!;
  await roundTrip(t, counter, { dumpWith: without, restoreWith: without });
});

test("the library is imported by its name", () => {
  const script = join(place, "look.mjs");
  writeFileSync(
    script,
    `import { openDirectory } from "criu-wasm/offline";
     const { processes } = openDirectory(process.argv[2]);
     console.log(processes.map(({ pid }) => pid).join(" "));`,
  );
  const { stdout, stderr } = spawnSync(process.execPath, [script, join(SAMPLES, "zoo")], {
    encoding: "utf8",
  });
  assert.equal(stderr, "");
  assert.equal(stdout, "7478 7483 7485 7484\n");
});

for (const platform of ["darwin", "win32"]) {
  test(`as ${platform}: images are looked at, and freezing says where it works`, () => {
    const pretend = join(place, `${platform}.mjs`);
    writeFileSync(pretend, `Object.defineProperty(process, "platform", { value: "${platform}" });`);
    const run = (...args: string[]) =>
      spawnSync(process.execPath, ["--import", pretend, command, ...args], { encoding: "utf8" });
    const shown = run("x", join(SAMPLES, "zoo"), "ps");
    assert.equal(shown.stderr, "");
    assert.match(shown.stdout, /7478/);
    const dumped = run("dump", "-t", "1", "-D", join(place, "images"));
    assert.equal(dumped.status, 1);
    assert.match(dumped.stderr, /frozen and restored on x86-64 Linux only/);
  });
}
