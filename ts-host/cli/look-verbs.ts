/** The verbs that look into a checkpoint. */
import type { LoadVerb } from "./verb.ts";
import type { VerbOf } from "./verb-names.ts";

export const LOOK_VERBS = {
  show: async () => (await import("./show.ts")).showCommand,
  info: async () => (await import("./info.ts")).infoCommand,
  x: async () => (await import("./x.ts")).xCommand,
  validate: async () => (await import("./validate.ts")).validateCommand,
  core: async () => (await import("./core.ts")).coreCommand,
  mem: async () => (await import("./mem.ts")).memCommand,
  search: async () => (await import("./search.ts")).searchCommand,
  diff: async () => (await import("./diff.ts")).diffCommand,
} satisfies Record<VerbOf<"look">, LoadVerb>;
