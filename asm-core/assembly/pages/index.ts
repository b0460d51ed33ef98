// What the page path exports; asm-core/README.md describes it.
export { xxh64 } from "./checksum";
export { compressPiece, compressWords, fastSequences, lz4Bound, lz4Compress, lz4CompressWords, lz4Decompress } from "./lz4";
export {
  beginPack, flushPack, packExtentCount, packExtents, packInput, packLength, packOutput, packOutputLength,
  packPages, packRegionCount, packRegions,
} from "./pack";
export { hashKey, isZeroPage, pageHash } from "./page";
export { beginUnpack, openRegion, regionSlot, regionStage } from "./unpack";
