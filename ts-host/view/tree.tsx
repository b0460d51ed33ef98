/** The processes, children under their parents. */
import type { ProcessLine } from "./protocol.ts";
import { Rows } from "./rows.tsx";

/** A process, and how deep it is under the root. */
export interface TreeLine extends ProcessLine {
  depth: number;
}

/** Each process directly followed by its descendants. */
export function inTreeOrder(lines: readonly ProcessLine[]): TreeLine[] {
  const pids = new Set(lines.map(({ pid }) => pid));
  const children = new Map<number, ProcessLine[]>();
  for (const line of lines) {
    const parent = pids.has(line.parentPid) ? line.parentPid : 0;
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [line]);
    else siblings.push(line);
  }
  const ordered: TreeLine[] = [];
  const waiting = [...(children.get(0) ?? [])].reverse().map((line) => ({ ...line, depth: 0 }));
  while (waiting.length > 0) {
    const line = waiting.pop()!;
    ordered.push(line);
    const below = [...(children.get(line.pid) ?? [])].reverse();
    waiting.push(...below.map((child) => ({ ...child, depth: line.depth + 1 })));
    children.delete(line.pid);
  }
  return ordered;
}

export function sizeText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** Pixels of a line. */
const LINE = 26;

export function Tree({
  lines,
  selected,
  select,
}: {
  lines: readonly TreeLine[];
  selected: number | undefined;
  select: (pid: number) => void;
}) {
  return (
    <Rows
      items={lines}
      height={LINE}
      name="tree"
      role="listbox"
      selected={lines.findIndex(({ pid }) => pid === selected)}
      row={({ pid, name, state, threads, stored, depth }) => (
        <button
          type="button"
          role="option"
          aria-selected={pid === selected}
          style={{ paddingLeft: `${0.6 + depth}em` }}
          onClick={() => select(pid)}
        >
          <span class="pid">{pid}</span>
          <span class="about">
            {name || "?"}
            <span class="quiet">
              {state === "running" ? "" : ` ${state}`}
              {threads > 1 ? ` ${threads} threads` : ""}
            </span>
          </span>
          <span class="size">{stored > 0 ? sizeText(stored) : ""}</span>
        </button>
      )}
    />
  );
}
