/** What the commands of all verbs have in common: help that reads like a manual page. */
import { Command, type Help, type Option } from "commander";
import { SUMMARIES, type VerbName } from "./verb-names.ts";

/** What the manual page of a verb says beside its options. */
export interface Manual {
  name: VerbName;
  /** What follows the name: "-t PID [options]". */
  synopsis: string;
  /** Paragraphs. */
  description: string[];
  /** Commands, and what they do. */
  examples: [command: string, what: string][];
  /** When it is not "0 when all of it worked, else 1". */
  exitStatus?: string;
}

const INDENT = 4;

/** Wrapped to the width of the terminal. */
function paragraph(help: Help, text: string, indent = INDENT): string {
  const width = (help.helpWidth ?? 80) - indent;
  return help.boxWrap(text, width).replaceAll(/^/gm, " ".repeat(indent));
}

function option(help: Help, { flags, description, defaultValue, defaultValueDescription }: Option): string {
  const value = defaultValueDescription ?? defaultValue;
  const text = value === undefined ? description : `${description} (default: ${value})`;
  return `${paragraph(help, flags)}\n${paragraph(help, text, 2 * INDENT)}`;
}

function page(
  { name, synopsis, description, examples, exitStatus }: Manual,
  command: Command,
  help: Help,
): string {
  const sections: [string, string[]][] = [
    ["NAME", [paragraph(help, `criu-wasm ${name} - ${SUMMARIES[name]}`)]],
    ["SYNOPSIS", [paragraph(help, `criu-wasm ${name} ${synopsis}`)]],
    ["DESCRIPTION", description.map((text) => paragraph(help, text))],
    ["OPTIONS", help.visibleOptions(command).map((each) => option(help, each))],
    [
      "EXAMPLES",
      examples.map(([line, what]) => `${paragraph(help, line)}\n${paragraph(help, what, 2 * INDENT)}`),
    ],
    ["EXIT STATUS", [paragraph(help, exitStatus ?? "0 when all of it worked, else 1.")]],
  ];
  return sections.map(([title, parts]) => `${title}\n${parts.join("\n\n")}\n`).join("\n");
}

/** A command without options yet. It throws where commander would write something or end the process. */
export function newCommand(manual: Manual): Command {
  return new Command(manual.name)
    .helpOption("-h, --help", "show this page")
    .configureHelp({ formatHelp: (command, help) => page(manual, command, help) })
    .configureOutput({ writeOut: () => {}, writeErr: () => {} })
    .exitOverride();
}
