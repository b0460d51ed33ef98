/** Memory: a picture of the address space, the mappings, and a hexdump of one place. */
import type { RefObject } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Client } from "./client.ts";
import { AddressSpace, KINDS, Strip } from "./picture.tsx";
import type { HexView, MappingView, PageKind, ProcessView } from "./protocol.ts";
import { Rows } from "./rows.tsx";
import { sizeText } from "./tree.tsx";

/** Lines of the hexdump. */
const LINES = 16;
/** Pixels of a mapping. */
const MAPPING = 22;
const MEANINGS: Record<PageKind, string> = {
  stored: "in the images",
  shared: "shared memory",
  duplicate: "same as another page",
  zero: "zero, or never written",
  parent: "in a parent checkpoint",
  outside: "in a file, or the kernel's",
};

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
  const stack = threads[0]?.registers.find(({ name, isMapped }) => name === "sp" && isMapped)?.value;
  const start = address ?? stack ?? mappings[0]?.start;
  return (
    <>
      {start !== undefined && <Hexdump client={client} pid={pid} address={start} goTo={goTo} input={input} />}
      {mappings.length > 0 && <AddressSpace mappings={mappings} goTo={goTo} />}
      <Legend mappings={mappings} />
      <Rows
        items={mappings}
        height={MAPPING}
        name="mappings"
        row={(mapping) => (
          <div class="mapping" data-kind={mapping.kind}>
            <button type="button" class="link mono" onClick={() => goTo(mapping.start)}>
              {mapping.start}-{mapping.end}
            </button>
            <span class="mono">{mapping.protection}</span>
            <span class="number">{sizeText(mapping.pages * 4096)}</span>
            <Strip
              mapping={mapping}
              pick={(page) => goTo((BigInt(`0x${mapping.start}`) + BigInt(page) * 4096n).toString(16))}
            />
            <span class="name" title={mapping.name}>
              {mapping.name || mapping.kind}
            </span>
          </div>
        )}
      />
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
    client.ask("hexdump", { pid, address, rows: LINES }).then((found) => isCurrent && setView(found));
    return () => {
      isCurrent = false;
    };
  }, [client, pid, address]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.target instanceof HTMLInputElement) return;
      if (event.key === "]") move(LINES);
      else if (event.key === "[") move(-LINES);
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
        <button type="button" onClick={() => move(-LINES)} title="page up ([)">
          ▲
        </button>
        <button type="button" onClick={() => move(LINES)} title="page down (])">
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
