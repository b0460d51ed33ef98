/** The verbs that have to begin soon. */
import type { LoadVerb } from "./verb.ts";
import type { VerbOf } from "./verb-names.ts";

export const QUICK_VERBS = {
  dump: async () => (await import("./dump.ts")).dumpCommand,
  restore: async () => (await import("./restore.ts")).restoreCommand,
} satisfies Record<VerbOf<"quick">, LoadVerb>;
