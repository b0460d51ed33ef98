/**
 * Validation of a checkpoint without restoring it: every image is parsed, every reference followed, every page
 * read. It finds what is damaged or does not fit together; what a machine would say to it is preflight's business.
 */
import { CriuWasmError } from "../../errors.ts";
import type { ImageName } from "../../images/checkpoint.ts";
import { imageFileName } from "../../images/framing.ts";
import type { Checkpoint } from "../checkpoint.ts";
import { readFiles } from "../files.ts";
import type { Progress } from "../progress.ts";
import { checkFiles, type Files } from "./files.ts";
import { type Finding, fromError, wrong } from "./finding.ts";
import { Images } from "./images.ts";
import { checkMemory } from "./memory.ts";
import { checkTree } from "./tree.ts";

export { describeFinding, type Finding } from "./finding.ts";

const IMAGE_VERSIONS = [1, 2];
/** Images without which there is no checkpoint. */
const NEEDED: ImageName[] = [{ kind: "INVENTORY" }, { kind: "PSTREE" }];

/** Finds what is wrong with a checkpoint, in the order in which it is looked at. */
export function* validate(checkpoint: Checkpoint): Generator<Finding, void> {
  for (const step of validateInSteps(checkpoint)) if ("severity" in step) yield step;
}

/** The same, and between the findings how far it is, in pages; images count as one page each. */
export function* validateInSteps(checkpoint: Checkpoint): Generator<Finding | Progress, void> {
  const images = new Images(checkpoint);
  for (const name of NEEDED) {
    if (!checkpoint.has(name)) yield wrong({ file: imageFileName(name) }, "missing");
  }
  const names = checkpoint.list();
  const total = names.length + storedPages(images);
  for (const [done, name] of names.entries()) {
    yield { done, total };
    yield* parse(images, name);
  }
  yield* checkInventory(images);
  const files = readableFiles(images);
  yield* checkTree(images);
  yield* checkFiles(images, files);
  yield* checkMemory(images, files, { done: names.length, total });
}

/** Pages of all streams that can be opened. */
function storedPages({ checkpoint }: Images): number {
  return checkpoint.reader.streams().reduce((sum, id) => {
    try {
      return sum + checkpoint.pages(id).length;
    } catch (error) {
      // That it cannot be opened is said where the pages are read.
      if (error instanceof CriuWasmError) return sum;
      throw error;
    }
  }, 0);
}

function* parse(images: Images, name: ImageName): Generator<Finding> {
  try {
    images.checkpoint.read(name);
  } catch (error) {
    if (!(error instanceof CriuWasmError)) throw error;
    images.damaged.add(imageFileName(name));
    yield fromError(error, imageFileName(name));
  }
}

function* checkInventory(images: Images): Generator<Finding> {
  const place = { file: "inventory.img", record: 0 };
  const inventory = images.first({ kind: "INVENTORY" });
  if (inventory === undefined) {
    if (!images.damaged.has(place.file)) yield wrong({ file: place.file }, "no record");
  } else if (!IMAGE_VERSIONS.includes(inventory.img_version)) {
    yield wrong({ ...place, field: "img_version" }, `version ${inventory.img_version} is not known`);
  }
}

function readableFiles(images: Images): Files {
  try {
    return readFiles(images.checkpoint.reader);
  } catch (error) {
    if (error instanceof CriuWasmError) return new Map();
    throw error;
  }
}
