/** The verbs that have no script for themselves. */
import type { LoadVerb } from "./verb.ts";
import type { SCRIPTS, VerbName, VerbOf } from "./verb-names.ts";

export const OTHER_VERBS = {
  check: async () => (await import("./check.ts")).checkCommand,
  store: async () => (await import("./store.ts")).storeCommand,
  scrub: async () => (await import("./scrub.ts")).scrubCommand,
  convert: async () => (await import("./convert.ts")).convertCommand,
  squash: async () => (await import("./squash.ts")).squashCommand,
  rewrite: async () => (await import("./rewrite.ts")).rewriteCommand,
  view: async () => (await import("./view.ts")).viewCommand,
  preflight: async () => (await import("./preflight.ts")).preflightCommand,
  compress: async () => (await import("./compress.ts")).compressCommand,
  decompress: async () => (await import("./compress.ts")).decompressCommand,
  bench: async () => (await import("./bench.ts")).benchCommand,
  dedup: async () => (await import("./dedup.ts")).dedupCommand,
} satisfies Record<Exclude<VerbName, VerbOf<keyof typeof SCRIPTS>>, LoadVerb>;
