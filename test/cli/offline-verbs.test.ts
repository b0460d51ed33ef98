/** Verbs that look into checkpoints: CRIU's samples, as they are and in the native format. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { asset } from "../../ts-host/assets.ts";
import { IMAGE_KINDS } from "../../ts-host/generated/messages.ts";
import { createCheckpoint } from "../../ts-host/images/create.ts";
import { parseImageFileName } from "../../ts-host/images/framing.ts";
import { openCheckpoint } from "../../ts-host/images/open.ts";
import { convert } from "../../ts-host/offline/convert.ts";
import { pageOf, writeHandmade } from "../support/handmade.ts";
import { command, output } from "../support/in-process.ts";
import { SAMPLES, sampleDirectory, temporaryDirectory } from "../support/samples.ts";

/** What CRIU 4.2's `crit decode --pretty` and `crit x` print of the samples. */
const CRIT_JSON = "test/data/criu-json";
const CRIT_X = "test/data/crit-x";

const place = mkdtempSync(join(tmpdir(), "criu-wasm-verbs-"));
after(() => rmSync(place, { recursive: true, force: true }));

/** The sample in the native format: pages apart, which the samples have not. */
function nativeSample(sample: string): string {
  const native = join(place, sample);
  if (!existsSync(native)) {
    const [reader, writer] = [openCheckpoint(join(SAMPLES, sample)), createCheckpoint(native, "native")];
    convert(reader, writer);
    reader.close();
  }
  return native;
}

for (const sample of readdirSync(SAMPLES)) {
  const directories = { criu: () => join(SAMPLES, sample), native: () => nativeSample(sample) };
  const images = readdirSync(join(SAMPLES, sample)).filter(
    (file) => IMAGE_KINDS[parseImageFileName(file)!.kind].messages.length > 0,
  );
  for (const [format, directory] of Object.entries(directories)) {
    test(`${sample}, ${format}: decode and show print what crit prints, encode makes the image of it`, async () => {
      for (const file of images) {
        const image = join(directory(), file);
        const pretty = await output("decode", "-i", image, "--pretty");
        const golden = join(CRIT_JSON, sample, `${file}.json`);
        if (existsSync(golden)) assert.equal(pretty, `${readFileSync(golden, "utf8")}\n`, file);
        assert.equal(await output("show", image), pretty, file);
        const [json, encoded] = [join(place, "json"), join(place, "image")];
        await output("decode", "-i", image, "-o", json);
        await output("encode", "-i", json, "-o", encoded);
        assert.deepEqual(readFileSync(encoded), readFileSync(join(SAMPLES, sample, file)), file);
      }
    });

    test(`${sample}, ${format}: x prints what crit prints`, async () => {
      for (const what of ["ps", "fds", "mems", "rss"]) {
        const printed = await output("x", directory(), what);
        // crit fails when it comes to the zombie of the zoo, the last process.
        const zombie = sample === "zoo" && what !== "ps" ? "7484\n" : "";
        assert.equal(printed, readFileSync(join(CRIT_X, `${sample}.${what}.txt`), "utf8") + zombie, what);
      }
    });

    test(`${sample}, ${format}: info counts records as crit does`, async () => {
      const info = JSON.parse(await output("info", directory(), "--json"));
      assert.equal(info.format, format);
      assert.equal(info.images.length, readdirSync(join(SAMPLES, sample)).length);
      for (const image of info.images) {
        const golden = join(CRIT_JSON, sample, `${image.file}.json`);
        if (!existsSync(golden)) continue;
        const { magic, entries } = JSON.parse(readFileSync(golden, "utf8"));
        const count = entries.length - (magic === "PAGEMAP" ? 1 : 0);
        assert.deepEqual([image.magic, image.count], [magic, count], image.file);
        const { file: _, ...alone } = image;
        assert.deepEqual(JSON.parse(await output("info", join(directory(), image.file), "--json")), alone);
      }
    });
  }
}

test("show: a tree of processes with what they hold", async () => {
  const lines = (await output("show", join(SAMPLES, "zoo"))).split("\n");
  const expected = [
    "test/data/criu-images/zoo: checkpoint in CRIU's format, 4 processes",
    "7478 python3 (running, 4 threads, user 0)",
    "│   program   /usr/bin/python3.11",
    "│   directory /srv/demo/zoo",
    "│   threads   7480 python3, 7481 python3, 7482 python3",
    "│   files       0  /dev/null",
    "│              16  tcp 127.0.0.1:58386 -> 127.0.0.1:33271",
    "├── 7483 python3 (running, user 0)",
    "│   │   session   7483, group 7483",
    "│   └── 7485 python3 (running, user 0)",
    "│           session   7483, group 7483",
    "└── 7484 python3 (zombie)",
    "        session   7478, group 7478",
  ];
  let from = 0;
  for (const line of expected) {
    const at = lines.indexOf(line, from);
    assert.ok(at >= from, `${line} is not after line ${from}:\n${lines.join("\n")}`);
    from = at + 1;
  }
  assert.match(lines.join("\n"), /memory {4}1,489 pages in the images, 6.1 MB; mappings: 20 anonymous/);
});

test("show --json: the same, and numbers", async () => {
  const { format, processes } = JSON.parse(await output("show", nativeSample("zoo"), "--json"));
  assert.equal(format, "native");
  assert.deepEqual(
    processes.map(({ pid, parentPid, state, threads }: Record<string, unknown[]>) => [
      pid,
      parentPid,
      state,
      threads!.length,
    ]),
    [
      [7478, 0, "running", 4],
      [7483, 7478, "running", 1],
      [7485, 7483, "running", 1],
      [7484, 7478, "zombie", 1],
    ],
  );
  const [root, , , zombie] = processes;
  assert.deepEqual(root.uids, [0, 0, 0, 0]);
  assert.deepEqual(root.pages, { stored: 1489, inParent: 0, lazy: 0 });
  assert.deepEqual(root.descriptors[13], {
    fd: 13,
    type: "INETSK",
    text: "tcp 127.0.0.1:33271 listening",
    closeOnExec: true,
  });
  assert.equal(zombie.descriptors, undefined);
});

test("info of pages: zero ones, equal ones and compression in the native format, all of them in CRIU's", async (t) => {
  const criu = sampleDirectory(t, "loop-static");
  const native = join(temporaryDirectory(t), "native");
  convert(openCheckpoint(criu), createCheckpoint(native, "native"));
  const plain = JSON.parse(await output("info", criu, "--json")).pages;
  const packed = JSON.parse(await output("info", native, "--json")).pages;
  const total = readFileSync(join(criu, "pages-1.img")).length / 4096;
  assert.deepEqual(plain, {
    pages: total,
    zero: 0,
    kept: total,
    bytes: 4096 * total,
    inParent: 0,
    lazy: 0,
    pageSize: 4096,
  });
  assert.equal(packed.pages, total);
  assert.ok(packed.zero > 0 && packed.kept < total - packed.zero && packed.bytes < 4096 * packed.kept);
  assert.match(
    await output("info", native),
    /native format[\s\S]*zero, not stored\n.*equal to others, stored once\n.*% of/,
  );
});

test("x sk: sockets with their ends, and as data", async () => {
  const text = await output("x", join(SAMPLES, "zoo"), "sk");
  assert.match(text, /^7478\n\t {6}6: unix stream socket:\[4313818\] -> socket:\[4313819\]\n/);
  assert.match(text, /\t {5}13: tcp 127.0.0.1:33271 listening\n/);
  const [{ sockets }] = JSON.parse(await output("x", join(SAMPLES, "zoo"), "sk", "--json"));
  const { socket } = sockets.find(({ fd }: { fd: number }) => fd === 16);
  assert.deepEqual(
    [socket.state, socket.src_port, socket.dst_port, socket.src_addr],
    ["ESTABLISHED", 58386, 33271, ["127.0.0.1"]],
  );
});

test("what is no image, no checkpoint, or raw bytes is said", async (t) => {
  const directory = temporaryDirectory(t);
  const refused = async (args: string[], message: RegExp) => {
    const { status, stderr, stdout } = await command(...args);
    assert.equal(status, 1, args.join(" "));
    assert.match(stderr, message);
    assert.equal(stdout.toString(), "");
    assert.equal(stderr.trimEnd().split("\n").length, 1);
  };
  const file = join(directory, "words");
  writeFileSync(file, "some words\n");
  await refused(
    ["decode", "-i", file],
    /^criu-wasm: decode: .*words, offset 0: not an image file of CRIU: its/,
  );
  await refused(["decode", "-i", join(directory, "core-1.img")], /decode: .*core-1.img: no such file/);
  await refused(
    ["decode", "-i", directory],
    /decode: .*: a directory, not an image \(name an image in it, as .*pstree\.img\)/,
  );
  await refused(["decode", "-i", join(SAMPLES, "namespaces/route-10.img")], /ROUTE, .*: holds raw bytes/);
  await refused(
    ["decode", "-i", join(nativeSample("zoo"), "checkpoint.meta")],
    /name one of them, as .*pstree/,
  );
  await refused(
    ["decode", "-i", join(nativeSample("zoo"), "core-1.img")],
    /no core-1.img in this checkpoint \(criu-wasm info lists what is in it\)/,
  );
  await refused(["encode", "-i", file, "-o", join(directory, "out")], /encode: .*words: not JSON: line 1/);
  await refused(["show", directory], /show: .*: no checkpoint, but other files: words/);
  await refused(["show", join(directory, "absent")], /show: .*absent: no such file or directory/);
  await refused(["info", file], /info: .*words/);
  await refused(["decode", "-i", "test/data/archives/zoo.tar.zst"], /convert makes a directory of images/);
  await refused(["encode", "-i", join(directory, "json")], /json: open = ENOENT: no such file or directory/);
  const out = join(directory, "absent/core");
  await refused(
    ["core", join(SAMPLES, "zoo"), "-o", out],
    /absent\/core: open = ENOENT: no such file or dir/,
  );
  await refused(
    ["convert", join(SAMPLES, "zoo"), "--to", "native", "-o", file],
    /words: mkdir = EEXIST: something/,
  );
  await refused(["x", directory, "ps"], /x: .*: no checkpoint/);
  await refused(["x", directory, "all"], /x: cannot tell of all \(ps, fds, mems, rss or sk\)/);
  assert.deepEqual(readdirSync(directory), ["words"]);
});

test("every verb that reads one checkpoint is told which by PATH or by -D, not by both", async (t) => {
  const [path, folder] = [sampleDirectory(t, "loop-static"), temporaryDirectory(t)];
  const [out, host] = [["-o", join(folder, "out")], join(folder, "host")];
  writeFileSync(host, await output("preflight", path, "--facts"));
  const verbs: [verb: string[], options?: string[]][] = [
    [["show"]],
    [["info"]],
    [["validate"]],
    [["mem", "list"]],
    [["preflight"], ["--host", host]],
    [["search"], ["--text", "hunter2"]],
    [["core"], out],
    [["convert"], ["--to", "native", ...out]],
    [["compress"], out],
    [["decompress"], out],
    [["squash"], out],
    [["rewrite"], ["--shift-pids", "9", ...out]],
    [["scrub"], ["--text", "hunter2", ...out]],
  ];
  for (const [verb, options = []] of verbs) {
    const printed = [];
    for (const named of [[path], ["-D", path]]) {
      const { status, stdout, stderr } = await command(...verb, ...named, ...options);
      assert.equal(stderr, "", verb[0]);
      printed.push({ status, text: stdout.toString() });
      rmSync(join(folder, "out"), { recursive: true, force: true });
    }
    assert.deepEqual(printed[0], printed[1], verb[0]);
    const { status, stderr } = await command(...verb, "elsewhere", "-D", path, ...options);
    assert.equal(status, 1, verb[0]);
    assert.match(stderr, /: elsewhere and -D .* both say which checkpoint \(give one of them\)/);
    assert.match(await output(verb[0], "--help"), /^SYNOPSIS\n.*\[PATH\].*^DESCRIPTION/ms);
  }
  assert.equal(await output("x", "ps", "-D", path), await output("x", path, "ps"));
  assert.match((await command("x", path, "ps", "-D", path)).stderr, /both say which checkpoint/);
});

test("control characters and bytes that are not UTF-8 do not reach the terminal", async (t) => {
  const directory = sampleDirectory(t, "loop-static");
  const json = await output("decode", "-i", join(directory, "core-7388.img"));
  const file = join(directory, "core.json");
  writeFileSync(file, json.replaceAll('"comm": "loop-static"', '"comm": "\\u001b[31m\\udcff"'));
  await output("encode", "-i", file, "-o", join(directory, "core-7388.img"));
  rmSync(file);
  assert.match(await output("show", directory), /^7388 \\x1b\[31m\\xff \(running/m);
});

test("decode and encode as filters, and into a reader that has seen enough", () => {
  const image = readFileSync(join(SAMPLES, "zoo/core-7478.img"));
  const run = (args: string[], input: Buffer) =>
    spawnSync(process.execPath, [asset("criu-wasm.cjs"), ...args], { input });
  const decoded = run(["decode", "--pretty"], image);
  assert.equal(decoded.status, 0, decoded.stderr.toString());
  assert.deepEqual(run(["encode"], decoded.stdout).stdout, image);
  const cut = run(["decode"], image.subarray(0, 100));
  assert.equal(cut.status, 1);
  assert.match(
    cut.stderr.toString(),
    /^criu-wasm: decode: stdin, record 0, offset \d+: a record of \d+ bytes, but only/,
  );
  const shell = `'${process.execPath}' '${asset("criu-wasm.cjs")}' show '${SAMPLES}/zoo' | head -n 1`;
  const { stderr, stdout } = spawnSync("bash", ["-c", shell], { encoding: "utf8" });
  assert.equal(stderr, "");
  assert.match(stdout, /4 processes/);
});

test("all that is printed arrives, however slow the reader is", async (t) => {
  const directory = temporaryDirectory(t);
  const pages = Array.from({ length: 100 }, (_, page) => pageOf(`page ${page} `));
  writeHandmade(directory, [{ pid: 5, mappings: [{ start: 0x10000n, pages }] }]);
  const shell = (script: string, ...args: string[]) => {
    const run = `'${process.execPath}' '${asset("criu-wasm.cjs")}' ${args.join(" ")}`;
    const { stdout, stderr } = spawnSync("bash", ["-c", script.replace("RUN", run)], { maxBuffer: 2 ** 25 });
    assert.equal(stderr.toString(), "");
    return stdout;
  };
  const hexdump = ["mem", "hexdump", directory, "--at", "0x10000", "--length", `${100 * 4096}`];
  assert.equal(shell("RUN | { sleep 0.3; cat; }", ...hexdump).toString(), await output(...hexdump));
  if (process.platform !== "linux") return;
  // A pipe that is full already, and that refuses to let its writers wait.
  const full = "{ dd if=/dev/null oflag=nonblock status=none; head -c 65536 /dev/zero; RUN; }";
  const help = await output("--help");
  assert.equal(shell(`${full} | { sleep 0.3; tail -c +65537; }`, "--help").toString(), help);
});

test("an archive that podman 4.3 with runc has exported", async (t) => {
  const [folder, archive] = [temporaryDirectory(t), "test/data/archives/podman.tar.zst"];
  const [images, native] = [join(folder, "images"), join(folder, "native")];
  await output("convert", archive, "--to", "criu", "-o", images);
  await output("convert", archive, "--to", "native", "-o", native);
  for (const args of [["show"], ["x", "ps"], ["x", "mems"], ["x", "rss"], ["mem", "list"]]) {
    const [printed, ...others] = await Promise.all(
      [archive, images, native].map(async (path) => nameless(await output(...args, "-D", path), path)),
    );
    for (const other of others) assert.equal(other, printed, args.join(" "));
  }
  for (const path of [archive, images, native])
    assert.equal(await output("validate", path), "0 errors, 0 warnings\n");
  assert.match(await output("show", archive), /^1 counter \(running, user 0\).* \/dev\/null\n/ms);
  const found = await output("search", archive, "--text", "hunter2 in podman");
  assert.match(found, /heap .*hunter2 in podma.*\n1 match\n$/);
  assert.equal(await output("diff", archive, native), "no difference in 1 process\n");
  const { stdout } = await command("preflight", archive);
  // Its pid, ports and files are of namespaces of its own.
  assert.doesNotMatch(stdout.toString(), /^error: (pid|file|port):/m);
  assert.match(stdout.toString(), /^warning: file: 3 in mounts of the processes' own are not looked at/m);
});

/** What is printed, without the format and where it comes from. */
function nameless(text: string, place: string): string {
  return text
    .replaceAll(`${place}:checkpoint`, "PLACE")
    .replaceAll(place, "PLACE")
    .replace(/(CRIU's|native) format/, "FORMAT");
}
