/** The processes, children under their parents. */
import type { ProcessLine } from "./protocol.ts";

/** How deep a process is under the root, by its pid; processes come after their parents. */
function depths(lines: readonly ProcessLine[]): Map<number, number> {
  const depth = new Map<number, number>();
  for (const { pid, parentPid } of lines) depth.set(pid, (depth.get(parentPid) ?? -1) + 1);
  return depth;
}

/** Each process directly followed by its descendants. */
function inTreeOrder(lines: readonly ProcessLine[]): ProcessLine[] {
  const children = new Map<number, ProcessLine[]>();
  const pids = new Set(lines.map(({ pid }) => pid));
  for (const line of lines) {
    const parent = pids.has(line.parentPid) ? line.parentPid : 0;
    children.set(parent, [...(children.get(parent) ?? []), line]);
  }
  const ordered: ProcessLine[] = [];
  const waiting = [...(children.get(0) ?? [])].reverse();
  while (waiting.length > 0) {
    const line = waiting.pop()!;
    ordered.push(line);
    waiting.push(...[...(children.get(line.pid) ?? [])].reverse());
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

export function Tree({
  lines,
  selected,
  select,
}: {
  lines: readonly ProcessLine[];
  selected: number | undefined;
  select: (pid: number) => void;
}) {
  const depth = depths(lines);
  return (
    <div class="tree" role="listbox" aria-label="processes">
      {inTreeOrder(lines).map(({ pid, name, state, threads, stored }) => (
        <button
          type="button"
          key={pid}
          role="option"
          aria-selected={pid === selected}
          style={{ paddingLeft: `${0.6 + (depth.get(pid) ?? 0)}em` }}
          onClick={() => select(pid)}
        >
          <span class="pid">{pid}</span> {name || "?"}
          <span class="quiet">
            {state === "running" ? "" : ` ${state}`}
            {threads > 1 ? ` ${threads} threads` : ""}
          </span>
          <span class="size">{stored > 0 ? sizeText(stored) : ""}</span>
        </button>
      ))}
    </div>
  );
}
