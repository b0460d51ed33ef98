/** What a verb is. */
import type { Command } from "commander";
import type { Terminal } from "./terminal.ts";
import type { VerbName } from "./verb-names.ts";

/** Loads a verb; its command is made anew for each run. */
export type LoadVerb = () => Promise<(terminal: Terminal) => Command>;

export type Verbs = Record<VerbName, LoadVerb>;

/** Thrown by a verb that has been asked a question, and whose answer, which is printed, is no. */
export class NegativeAnswer extends Error {}
