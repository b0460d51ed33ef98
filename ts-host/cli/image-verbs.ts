/** The verbs for one image by itself. */
import type { LoadVerb } from "./verb.ts";
import type { VerbOf } from "./verb-names.ts";

export const IMAGE_VERBS = {
  decode: async () => (await import("./decode.ts")).decodeCommand,
  encode: async () => (await import("./encode.ts")).encodeCommand,
} satisfies Record<VerbOf<"image">, LoadVerb>;
