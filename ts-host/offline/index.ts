/**
 * criu-wasm/offline: look into checkpoints of CRIU and criu-wasm, on any system and in browsers.
 *
 *     const checkpoint = await openTar(stream);
 *     for (const { pid, name, mappings } of checkpoint.processes) …
 */
export { CriuWasmError, describe, ImageError, UnsupportedError, UsageError } from "../errors.ts";
export type * from "../generated/messages.ts";
export type { ImageName, ImageRecord, PageSource } from "../images/checkpoint.ts";
export type { FileSource, RandomFile } from "../images/source.ts";
export { type ArchiveOptions, openTar } from "./archive.ts";
export { openFiles } from "./browser-files.ts";
export { Checkpoint } from "./checkpoint.ts";
export { describeFile } from "./describe-file.ts";
export { Mapping, type MappingKind } from "./mapping.ts";
export { type Content, drainPiece, Memory, type Piece } from "./memory.ts";
export { type Descriptor, Process, type ProcessState, type Register, Thread } from "./process.ts";
export type { Progress } from "./progress.ts";
export {
  expressionPattern,
  hexPattern,
  type Match,
  type Pattern,
  search,
  textPattern,
  utf16Pattern,
} from "./search/index.ts";
export type { Selection } from "./select.ts";
export { OpenFiles, type Owner } from "./sharing.ts";
export { type MappingSummary, type PageSummary, type ProcessSummary, summarize } from "./summary.ts";
export { describeFinding, type Finding, validate, validateInSteps } from "./validate/index.ts";
