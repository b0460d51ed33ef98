/** The command, run in this process: a hundred times as fast as a process of its own. */
import { main } from "../../ts-host/cli/main.ts";
import { VERBS } from "../../ts-host/cli/verbs.ts";

export interface Outcome {
  status: number;
  stdout: Buffer;
  stderr: string;
}

/** Runs `criu-wasm ARGS`. Only for verbs that look and write files: they leave this process as it was. */
export async function command(...args: string[]): Promise<Outcome> {
  const stdout: Buffer[] = [];
  const stderr: string[] = [];
  const { status } = await main(args, VERBS, {
    async print(part) {
      stdout.push(Buffer.from(part));
    },
    complain(line) {
      stderr.push(`${line}\n`);
    },
  });
  return { status, stdout: Buffer.concat(stdout), stderr: stderr.join("") };
}

/** What the command prints when it succeeds. */
export async function output(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await command(...args);
  if (status !== 0) throw new Error(`criu-wasm ${args.join(" ")} failed: ${stderr}`);
  return stdout.toString();
}
