// What the page path exports; asm-core/README.md describes it.
export { xxh64, xxh64Add, xxh64Begin, xxh64End } from "./checksum";
export { addKnownPages } from "./dedup";
export { sha256Add, sha256Begin, sha256End } from "./digest";
export { compressPiece, compressWords, fastSequences, lz4Bound, lz4Compress, lz4CompressWords, lz4Decompress } from "./lz4";
export {
  beginPack, packAddedPages, packExtentCount, packExtents, packFresh, packFreshPages, packHashes, packInput, packPages,
  packTake,
} from "./pack";
export { clearPages, copyPages, hashKey, isZeroPage, pageHashes } from "./page";
export { adjoiningRegions, openRegion, openRegions, sealedChecksum, sealedEncoding, sealRegion } from "./region";
