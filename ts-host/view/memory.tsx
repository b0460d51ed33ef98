/** Memory: a picture of the address space, the mappings, and a hexdump of one place. */
import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Client } from "./client.ts";
import type { HexView, MappingView, PageKind, ProcessView } from "./protocol.ts";
import { sizeText } from "./tree.tsx";

const ROWS = 32;
const KINDS: PageKind[] = ["stored", "shared", "duplicate", "zero", "parent", "outside"];
const MEANINGS: Record<PageKind, string> = {
  stored: "in the images",
  shared: "shared memory",
  duplicate: "same as another page",
  zero: "zero, or never written",
  parent: "in a parent checkpoint",
  outside: "in a file, or the kernel's",
};

function colourOf(kind: PageKind): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${kind}`);
}

/** One mapping as a strip: its pages from left to right. */
function Strip({ mapping, pick }: { mapping: MappingView; pick: (page: number) => void }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const draw = () => {
      const context = canvas.current?.getContext("2d");
      if (!canvas.current || !context) return;
      const { width, height } = canvas.current;
      context.clearRect(0, 0, width, height);
      let done = 0;
      for (const [pages, kind] of mapping.runs) {
        const from = (done / mapping.pages) * width;
        done += pages;
        context.fillStyle = colourOf(kind);
        // At least a pixel: a single page in many is what one looks for.
        context.fillRect(from, 0, Math.max(1, (done / mapping.pages) * width - from), height);
      }
    };
    draw();
    addEventListener("theme", draw);
    return () => removeEventListener("theme", draw);
  }, [mapping]);
  return (
    <canvas
      ref={canvas}
      width={480}
      height={12}
      onClick={(event) => {
        const { width } = event.currentTarget.getBoundingClientRect();
        pick(Math.min(mapping.pages - 1, Math.floor((event.offsetX / width) * mapping.pages)));
      }}
    />
  );
}

function Legend({ mappings }: { mappings: readonly MappingView[] }) {
  const pages = new Map<PageKind, number>();
  for (const { runs } of mappings)
    for (const [count, kind] of runs) pages.set(kind, (pages.get(kind) ?? 0) + count);
  return (
    <p class="legend">
      {KINDS.filter((kind) => pages.has(kind)).map((kind) => (
        <span key={kind}>
          <i style={{ background: `var(--${kind})` }} /> {MEANINGS[kind]}{" "}
          <b>{sizeText(pages.get(kind)! * 4096)}</b>
        </span>
      ))}
    </p>
  );
}

export function MemoryPanel({
  client,
  process,
  address,
  goTo,
  input,
}: {
  client: Client;
  process: ProcessView;
  address: string | undefined;
  goTo: (address: string) => void;
  input: RefObject<HTMLInputElement | null>;
}) {
  const { mappings, pid, threads } = process;
  const stack = threads[0]?.registers.find(([name]) => name === "sp")?.[1];
  const start = address ?? stack ?? mappings[0]?.start;
  return (
    <>
      {start !== undefined && <Hexdump client={client} pid={pid} address={start} goTo={goTo} input={input} />}
      <Legend mappings={mappings} />
      <table class="mappings">
        <tbody>
          {mappings.map((mapping) => (
            <tr key={mapping.start} data-kind={mapping.kind}>
              <td>
                <button type="button" class="link mono" onClick={() => goTo(mapping.start)}>
                  {mapping.start}-{mapping.end}
                </button>
              </td>
              <td class="mono">{mapping.protection}</td>
              <td class="number">{sizeText(mapping.pages * 4096)}</td>
              <td>
                <Strip
                  mapping={mapping}
                  pick={(page) => goTo((BigInt(`0x${mapping.start}`) + BigInt(page) * 4096n).toString(16))}
                />
              </td>
              <td class="name">{mapping.name || mapping.kind}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {mappings.length === 0 && <p class="quiet">No memory: the process has ended.</p>}
    </>
  );
}

function Hexdump({
  client,
  pid,
  address,
  goTo,
  input,
}: {
  client: Client;
  pid: number;
  address: string;
  goTo: (address: string) => void;
  input: RefObject<HTMLInputElement | null>;
}) {
  const [view, setView] = useState<HexView>();
  const [wrong, setWrong] = useState(false);
  const move = (rows: number) => {
    const moved = BigInt(`0x${address}`) + BigInt(rows * 16);
    goTo((moved < 0n ? 0n : moved).toString(16));
  };
  useEffect(() => {
    let isCurrent = true;
    client.ask("hexdump", { pid, address, rows: ROWS }).then((found) => isCurrent && setView(found));
    return () => {
      isCurrent = false;
    };
  }, [client, pid, address]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.target instanceof HTMLInputElement) return;
      if (event.key === "]") move(ROWS);
      else if (event.key === "[") move(-ROWS);
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  });
  return (
    <div class="hexdump">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const text = input.current!.value.trim().replace(/^0x/i, "");
          const isAddress = /^[0-9a-f]{1,16}$/i.test(text);
          setWrong(!isAddress);
          if (isAddress) goTo(text);
        }}
      >
        <label>
          Address{" "}
          <input ref={input} class={wrong ? "mono wrong" : "mono"} name="address" placeholder={address} />
        </label>
        <button type="submit">Go</button>
        <button type="button" onClick={() => move(-ROWS)} title="page up ([)">
          ▲
        </button>
        <button type="button" onClick={() => move(ROWS)} title="page down (])">
          ▼
        </button>
        <span class="quiet">{view?.mapping}</span>
      </form>
      <pre>
        {view?.rows.map(({ address: at, line, missing }) => (
          <div key={at}>{line ?? <span class="quiet">{`${at.padStart(12, "0")}  -- ${missing}`}</span>}</div>
        ))}
      </pre>
    </div>
  );
}
