/** Every sample image of CRIU, read and written again. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { IMAGE_KINDS } from "../../ts-host/generated/messages.ts";
import {
  imageFileName,
  kindOfImage,
  parseImage,
  parseImageFileName,
  writeImage,
} from "../../ts-host/images/framing.ts";
import { toJson } from "../../ts-host/images/json/to-json.ts";

const SAMPLES = "test/data/criu-images";
/** What `crit decode --pretty` of CRIU 4.2 prints for each. */
const GOLDEN = "test/data/criu-json";

for (const folder of readdirSync(SAMPLES)) {
  test(`images of ${folder}: reading then writing gives the same bytes`, () => {
    for (const file of readdirSync(join(SAMPLES, folder))) {
      const bytes = readFileSync(join(SAMPLES, folder, file));
      const name = parseImageFileName(file);
      assert.ok(name, file);
      assert.equal(imageFileName(name), file);
      assert.equal(IMAGE_KINDS[kindOfImage(bytes) ?? "PAGES"].magic, IMAGE_KINDS[name.kind].magic, file);
      assert.deepEqual(Buffer.from(writeImage(name.kind, parseImage(name.kind, bytes, file))), bytes, file);
    }
  });

  test(`images of ${folder}: shown as crit shows them`, () => {
    const files = readdirSync(join(SAMPLES, folder)).filter((file) =>
      existsSync(join(GOLDEN, folder, `${file}.json`)),
    );
    assert.ok(files.length > 10);
    for (const file of files) {
      const { kind } = parseImageFileName(file)!;
      const records = parseImage(kind, readFileSync(join(SAMPLES, folder, file)), file);
      assert.equal(toJson(kind, records), readFileSync(join(GOLDEN, folder, `${file}.json`), "utf8"), file);
    }
  });
}
