/** Damage to pages is told by the file, and by process and address of every page that cannot be read. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { CriuWasmError } from "../../ts-host/errors.ts";
import { createCheckpoint, type PageOptions } from "../../ts-host/images/create.ts";
import { openCheckpoint } from "../../ts-host/images/open.ts";
import { bytesFile, type FileSource } from "../../ts-host/images/source.ts";
import { Checkpoint } from "../../ts-host/offline/checkpoint.ts";
import { convert } from "../../ts-host/offline/convert.ts";
import { openDirectory } from "../../ts-host/offline/node.ts";
import { type Finding, validate } from "../../ts-host/offline/validate/index.ts";
import { Random } from "../support/random.ts";
import { sampleDirectory, temporaryDirectory } from "../support/samples.ts";

/** Of the pages that are stored, those that cannot be read: "PID 0xADDRESS" each. */
function unreadable(directory: string): Set<string> {
  const checkpoint = openDirectory(directory);
  const found = new Set<string>();
  for (const { pid, memory } of checkpoint.processes) {
    for (const { start, end, content } of memory.pieces()) {
      if (content.is !== "stored") continue;
      for (let page = start; page < end; page += 4096n) {
        try {
          memory.read(page, 4096);
        } catch (error) {
          assert.ok(error instanceof CriuWasmError);
          found.add(`${pid} 0x${page.toString(16)}`);
        }
      }
    }
  }
  checkpoint.close();
  return found;
}

/** Those that findings name. */
function named(findings: Finding[]): Set<string> {
  const pages = new Set<string>();
  for (const { message } of findings) {
    for (const [, start, end, pid] of message.matchAll(/0x([0-9a-f]+)-0x([0-9a-f]+) of process (\d+)/g))
      for (let page = BigInt(`0x${start}`); page < BigInt(`0x${end}`); page += 4096n)
        pages.add(`${pid} 0x${page.toString(16)}`);
  }
  return pages;
}

function findings(directory: string): Finding[] {
  const checkpoint = openDirectory(directory);
  const found = [...validate(checkpoint)].filter((each): each is Finding => "severity" in each);
  checkpoint.close();
  return found;
}

function nativeOf(t: TestContext, options: PageOptions): string {
  const directory = join(temporaryDirectory(t), "native");
  convert(openCheckpoint(sampleDirectory(t, "loop-static")), createCheckpoint(directory, "native", options));
  return directory;
}

for (const compress of ["none", "lz4", "zstd"] as const) {
  test(`a flipped byte in a page is named by file, process and address: ${compress}`, (t) => {
    const directory = nativeOf(t, { compress, regionPages: 4 });
    const [name] = readdirSync(directory).filter((each) => each.endsWith(".pack"));
    const path = join(directory, name);
    const good = readFileSync(path);
    const random = new Random(7);
    let inPages = 0;
    for (let round = 0; round < 25; round++) {
      const damaged = Buffer.from(good);
      damaged[64 + random.below(good.length - 200)] ^= 1 << random.below(8);
      writeFileSync(path, damaged);
      const pages = unreadable(directory);
      if (pages.size === 0) continue;
      inPages++;
      const found = findings(directory).filter(({ severity }) => severity === "error");
      for (const finding of found) {
        assert.equal(finding.file, name);
        assert.match(finding.message, /^pages \d+ to \d+ of the pack: checksum differs: 0x/);
        assert.ok(finding.offset !== undefined);
      }
      assert.deepEqual(named(found), pages, `round ${round}`);
    }
    assert.ok(inPages > 10, `${inPages} of 25 in pages`);
  });
}

/** The files that validation names, of a checkpoint whose files hold that. */
function filesNamed(contents: ReadonlyMap<string, Uint8Array>): (string | undefined)[] {
  const source: FileSource = {
    location: "memory",
    list: () => [...contents.keys()],
    open: (name) => bytesFile(name, contents.get(name)!),
    parent: () => undefined,
  };
  try {
    const checkpoint = Checkpoint.open(source);
    try {
      return [...validate(checkpoint)].flatMap((each) => ("severity" in each ? [each.file] : []));
    } finally {
      checkpoint.close();
    }
  } catch (error) {
    assert.ok(error instanceof CriuWasmError);
    return [error.context.file];
  }
}

test("whichever byte of a small checkpoint is changed, that is found, and its file named", (t) => {
  const samples = sampleDirectory(t, "loop-static");
  // As many pages, of which few bytes are left.
  const pages = new Uint8Array(statSync(join(samples, "pages-1.img")).size);
  for (let at = 0; at < pages.length; at += 1000) pages[at] = at / 1000;
  writeFileSync(join(samples, "pages-1.img"), pages);
  const directory = join(temporaryDirectory(t), "native");
  convert(openCheckpoint(samples), createCheckpoint(directory, "native"));
  const contents = new Map(readdirSync(directory).map((name) => [name, readFileSync(join(directory, name))]));
  assert.equal(contents.size, 2);
  assert.deepEqual(filesNamed(contents), []);
  for (const [name, content] of contents) {
    for (let at = 0; at < content.length; at++) {
      const damaged = Buffer.from(content);
      damaged[at] ^= 1 << (at % 8);
      const named = filesNamed(new Map([...contents, [name, damaged]]));
      assert.ok(named.includes(name), `${name}, byte ${at}: ${named}`);
    }
  }
});

test("damage in two places is told in two findings", (t) => {
  const directory = nativeOf(t, { compress: "none", regionPages: 4 });
  const [name] = readdirSync(directory).filter((each) => each.endsWith(".pack"));
  const path = join(directory, name);
  const content = readFileSync(path);
  content[100] ^= 1;
  content[100 + 5 * 4096] ^= 1;
  writeFileSync(path, content);
  const found = findings(directory);
  assert.equal(found.length, 2);
  assert.deepEqual(named(found), unreadable(directory));
});
