/** A checkpoint from one format to the other, nothing lost: the images, record by record, and the pages. */
import { UnsupportedError } from "../errors.ts";
import type { PagemapEntry } from "../generated/messages.ts";
import type { CheckpointReader, CheckpointWriter, ImageName, ImageRecord } from "../images/checkpoint.ts";
import { imageFileName } from "../images/framing.ts";
import { PAGE_SIZE } from "../wasm/pages.ts";

const PE_PARENT = 1;

/** Copies everything and commits; on failure, removes what was written and throws. */
export function convert(reader: CheckpointReader, writer: CheckpointWriter): void {
  try {
    for (const name of reader.list()) copyImage(reader, writer, name);
    for (const id of reader.streams()) copyPages(reader, writer, id);
    writer.commit();
  } catch (error) {
    writer.abort();
    throw error;
  }
}

function copyImage(reader: CheckpointReader, writer: CheckpointWriter, name: ImageName): void {
  const records = reader.read(name);
  if (name.kind === "PAGEMAP" || name.kind === "SHMEM_PAGEMAP") {
    for (const [index, record] of records.slice(1).entries()) refuseForeignPages(name, record, index + 1);
  }
  writer.image(name, records);
}

/** Pages that do not lie in this checkpoint as they are would be lost. */
function refuseForeignPages(name: ImageName, record: ImageRecord, index: number): void {
  const { flags = 0, in_parent, compressed_size } = record.message as PagemapEntry;
  const context = { file: imageFileName(name), record: index };
  if (in_parent === true || (flags & PE_PARENT) !== 0) {
    throw new UnsupportedError("pages of a parent checkpoint cannot be converted yet", context);
  }
  if (compressed_size.length > 0) {
    throw new UnsupportedError("compressed pages of CRIU 4.3 cannot be converted yet", context);
  }
}

function copyPages(reader: CheckpointReader, writer: CheckpointWriter, id: number): void {
  const source = reader.pages(id);
  writer.pages(id).append(source.length, (view, offset) => {
    source.read(offset / PAGE_SIZE, view.length / PAGE_SIZE, (pages, at) => view.set(pages, at));
  });
}
