/** Memory of real programs, to measure with: what a node, a python3 and, if there is one, a redis have written. */
import { spawn, spawnSync } from "node:child_process";
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const PAGE = 4096;
/** Most of one program. */
const LIMIT = 48 << 20;

const NODE = `
const users = new Map();
for (let id = 0; id < 120000; id++)
  users.set("key" + id, { id, name: "user " + id, mail: "u" + id + "@example.org", tags: ["a", "b", id % 7] });
console.log("ready");
setInterval(() => users.get("key1"), 1000);
`;
const PYTHON = `
import sys, time
users = {i: {"id": i, "name": "user %d" % i, "score": i * 1.5, "tags": ["x", "y", str(i)]} for i in range(80000)}
modules = [__import__(m) for m in ("asyncio", "email", "xml.dom.minidom", "unittest", "decimal")]
print("ready", flush=True)
time.sleep(600)
`;
const REDIS_KEYS =
  'for i=1,100000 do redis.call("hset","h"..i,"name","user"..i,"n",i,"x",i*7919%1000003) end return 1';

interface Program {
  name: string;
  command: string[];
  /** Run once it is ready. */
  fill?: string[];
}

function programs(): Program[] {
  const list: Program[] = [{ name: "node", command: [process.execPath, "-e", NODE] }];
  const python = spawnSync("python3", ["-c", "import sys; print(sys.executable)"], { encoding: "utf8" });
  if (python.status === 0) list.push({ name: "python3", command: [python.stdout.trim(), "-c", PYTHON] });
  if (spawnSync("redis-server", ["--version"]).status === 0) {
    const port = "7917";
    list.push({
      name: "redis",
      command: ["redis-server", "--port", port, "--save", "", "--appendonly", "no"],
      fill: ["redis-cli", "-p", port, "eval", REDIS_KEYS, "0"],
    });
  }
  return list;
}

/** Pages that the process has written: private, not a file's. */
function writtenPages(pid: number): Buffer {
  const pages: Buffer[] = [];
  const memory = openSync(`/proc/${pid}/mem`, "r");
  const pagemap = openSync(`/proc/${pid}/pagemap`, "r");
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, "utf8").split("\n")) {
      const match = /^([0-9a-f]+)-([0-9a-f]+) r..p .*?(\[v.*)?$/.exec(line);
      if (!match || match[3]) continue;
      const [start, end] = [match[1], match[2]].map((text) => Number.parseInt(text, 16));
      const entries = Buffer.alloc(((end - start) / PAGE) * 8);
      readSync(pagemap, entries, 0, entries.length, (start / PAGE) * 8);
      for (let page = 0; page < entries.length / 8 && pages.length * PAGE < LIMIT; page++) {
        const flags = entries[page * 8 + 7];
        const isPresent = (flags & 0x80) !== 0;
        const isOfFile = (flags & 0x20) !== 0;
        if (!isPresent || isOfFile) continue;
        const content = Buffer.alloc(PAGE);
        readSync(memory, content, 0, PAGE, start + page * PAGE);
        pages.push(content);
      }
    }
  } finally {
    closeSync(memory);
    closeSync(pagemap);
  }
  return Buffer.concat(pages);
}

/** Memory of each program that there is, a whole number of 64 KiB. */
export async function processMemory(): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>();
  for (const { name, command, fill } of programs()) {
    const child = spawn(command[0], command.slice(1), { stdio: ["ignore", "pipe", "ignore"] });
    try {
      await new Promise((resolve) => child.stdout.once("data", resolve));
      await sleep(500);
      if (fill) spawnSync(fill[0], fill.slice(1));
      const memory = writtenPages(child.pid!);
      found.set(name, memory.subarray(0, memory.length & ~65535));
    } finally {
      child.kill("SIGKILL");
      await new Promise((resolve) => child.once("exit", resolve));
    }
  }
  return found;
}
