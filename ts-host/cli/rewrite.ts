/** criu-wasm rewrite: a checkpoint with other paths, addresses, pids … */
import { type Command, InvalidArgumentError } from "commander";
import { UsageError } from "../errors.ts";
import {
  changeAddress,
  changeCgroup,
  changeDirectories,
  changeExternal,
  changeHostname,
  changeLimit,
  changeOpenFlags,
  changePath,
  changePort,
  type Edit,
  planRewrite,
  replacement,
  rewrite as rewriteCheckpoint,
  shiftPids,
  type Transform,
} from "../offline/rewrite/index.ts";
import { type Manual, newCommand } from "./command.ts";
import { openInput, readsCheckpoint } from "./input.ts";
import { inNewCheckpoint, type NewCheckpointOptions, newFormat } from "./new-checkpoint.ts";
import { json } from "./options.ts";
import { runSteps } from "./progress.ts";
import { machineJson, type Terminal } from "./terminal.ts";
import { counted } from "./units.ts";

interface Options extends Omit<NewCheckpointOptions, "outDir"> {
  outDir?: string;
  path?: string[];
  cwd?: string[];
  address?: string[];
  port?: string[];
  shiftPids?: number;
  cgroup?: string[];
  hostname?: string;
  external?: string[];
  openFlags?: string[];
  limit?: string[];
  dryRun?: boolean;
  json?: boolean;
}

/** `DIR`, or `PID:DIR`. */
function directory(text: string): { path: string; pid?: number } {
  const [, pid, path] = /^(?:(\d+):)?(.*)$/.exec(text)!;
  return pid === undefined ? { path } : { path, pid: Number(pid) };
}

function transformsOf(options: Options): Transform[] {
  const each = (texts: string[] | undefined, make: (change: ReturnType<typeof replacement>) => Transform) =>
    (texts ?? []).map((text) => make(replacement(text)));
  return [
    ...each(options.path, changePath),
    ...(options.cwd === undefined ? [] : [changeDirectories(options.cwd.map(directory))]),
    ...each(options.address, changeAddress),
    ...each(options.port, changePort),
    ...each(options.cgroup, changeCgroup),
    ...(options.hostname === undefined ? [] : [changeHostname(options.hostname)]),
    ...each(options.external, changeExternal),
    ...each(options.openFlags, changeOpenFlags),
    ...each(options.limit, changeLimit),
    ...(options.shiftPids === undefined ? [] : [shiftPids(options.shiftPids)]),
  ];
}

function line({ file, record, field, before, after }: Edit): string {
  return `${file}, record ${record}, ${field}: ${before === "" ? "(new)" : before} -> ${after}\n`;
}

async function rewrite(options: Options, terminal: Terminal): Promise<void> {
  const { outDir, dryRun = false } = options;
  if (outDir === undefined && !dryRun) throw new UsageError("--out-dir says where the new checkpoint goes");
  const transforms = transformsOf(options);
  const checkpoint = await openInput(options.imagesDir, terminal);
  const edits = await runSteps("rewrite, first look", planRewrite(checkpoint, transforms), terminal);
  if (!dryRun) {
    await inNewCheckpoint(checkpoint, { ...options, outDir: outDir! }, (writer) =>
      runSteps("rewrite", rewriteCheckpoint(checkpoint, writer, transforms), terminal),
    );
  }
  checkpoint.close();
  const notChanged = [...new Set(transforms.flatMap(({ limits }) => limits ?? []))];
  if (options.json)
    return terminal.print(machineJson({ directory: dryRun ? undefined : outDir, edits, notChanged }));
  for (const edit of edits) await terminal.print(line(edit));
  await terminal.print(`${counted(edits.length, "value")} ${dryRun ? "would be changed" : "changed"}\n`);
  for (const what of notChanged) await terminal.print(`as they were: ${what}\n`);
}

const MANUAL: Manual = {
  name: "rewrite",
  synopsis: "-o DIR CHANGE … [PATH] [--dry-run] [--json]",
  description: [
    "Writes a checkpoint with other values in its images. Each change is looked at first, and refused with the reason where it cannot be made safely; a change that affects nothing is an error. --dry-run lists what would be changed and writes nothing.",
    "Strings that the programs keep in their memory, paths among them, are not changed.",
    "--shift-pids also changes the id that the C library keeps of each thread; a program that has its pid, or holds a lock with its id, elsewhere in its memory keeps the old one.",
  ],
  examples: [
    [
      "criu-wasm rewrite -D images -o moved --path /srv/old=/srv/new --cwd /srv/new",
      "Files that lie elsewhere now.",
    ],
    [
      "criu-wasm rewrite -D images -o moved --address 10.0.0.5=10.0.0.6 --port 80=8080 --dry-run",
      "What would change of sockets.",
    ],
  ],
};

function collect(text: string, before: string[] = []): string[] {
  return [...before, text];
}

function distance(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value === 0)
    throw new InvalidArgumentError("must be a whole number that is not 0.");
  return value;
}

export function rewriteCommand(terminal: Terminal): Command {
  return readsCheckpoint(newCommand(MANUAL))
    .option("-o, --out-dir <dir>", "directory for the new checkpoint")
    .addOption(newFormat())
    .option("--path <from=to>", "names of files, sockets and watches that begin with a path", collect)
    .option("--cwd <[pid:]dir>", "the working directory, of one process or of all", collect)
    .option("--address <from=to>", "an IP address of sockets", collect)
    .option("--port <from=to>", "a port of sockets", collect)
    .option("--shift-pids <distance>", "all pids, moved by a number", distance)
    .option("--cgroup <from=to>", "paths of cgroups that begin with a path", collect)
    .option("--hostname <name>", "the host name of the processes' own UTS namespace")
    .option("--external <from=to>", "the name of an external resource", collect)
    .option("--open-flags <path=flags>", "flags of an open file: +O_APPEND,-O_NONBLOCK", collect)
    .option("--limit <name=soft[:hard]>", "a resource limit of all processes: nofile=1024:4096", collect)
    .option("--dry-run", "list what would be changed, and write nothing")
    .addOption(json())
    .action((_path, options: Options) => rewrite(options, terminal));
}
