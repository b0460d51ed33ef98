#!/usr/bin/env node
/** The command: parses verbs and options, and nothing else. One file a verb. */
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { packageFile } from "../assets.ts";
import { dump } from "./dump.ts";
import { restore } from "./restore.ts";
import { validate } from "./validate.ts";

const { version } = JSON.parse(readFileSync(packageFile("package.json"), "utf8")) as { version: string };

const program = new Command("criu-wasm")
  .description("Checkpoint and restore of Linux processes")
  .version(version, "-V, --version")
  .showHelpAfterError("(criu-wasm --help lists verbs and options)")
  .addCommand(dump)
  .addCommand(restore)
  .addCommand(validate);

await program.parseAsync();
