/** All verbs, each loaded when it is asked for and not before. */
import { QUICK_VERBS } from "./quick-verbs.ts";
import type { Verbs } from "./verb.ts";

export const VERBS: Verbs = {
  ...QUICK_VERBS,
  check: async () => (await import("./check.ts")).checkCommand,
  show: async () => (await import("./show.ts")).showCommand,
  info: async () => (await import("./info.ts")).infoCommand,
  x: async () => (await import("./x.ts")).xCommand,
  validate: async () => (await import("./validate.ts")).validateCommand,
  core: async () => (await import("./core.ts")).coreCommand,
  store: async () => (await import("./store.ts")).storeCommand,
  decode: async () => (await import("./decode.ts")).decodeCommand,
  encode: async () => (await import("./encode.ts")).encodeCommand,
  mem: async () => (await import("./mem.ts")).memCommand,
  search: async () => (await import("./search.ts")).searchCommand,
  scrub: async () => (await import("./scrub.ts")).scrubCommand,
  convert: async () => (await import("./convert.ts")).convertCommand,
  squash: async () => (await import("./squash.ts")).squashCommand,
  diff: async () => (await import("./diff.ts")).diffCommand,
  rewrite: async () => (await import("./rewrite.ts")).rewriteCommand,
  view: async () => (await import("./view.ts")).viewCommand,
  preflight: async () => (await import("./preflight.ts")).preflightCommand,
  compress: async () => (await import("./compress.ts")).compressCommand,
  decompress: async () => (await import("./compress.ts")).decompressCommand,
  bench: async () => (await import("./bench.ts")).benchCommand,
  dedup: async () => (await import("./dedup.ts")).dedupCommand,
};
