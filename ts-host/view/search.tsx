/** Search in the memory of one process or of all. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Client } from "./client.ts";
import { Progress, useWork } from "./progress.tsx";
import type { SearchMode, SearchView } from "./protocol.ts";
import { Rows } from "./rows.tsx";

/** Pixels of a match. */
const MATCH = 22;

const MODES: [SearchMode, string][] = [
  ["text", "text"],
  ["utf16", "UTF-16"],
  ["hex", "bytes in hex"],
  ["regex", "regular expression"],
];

export function SearchPanel({
  client,
  pid,
  goTo,
}: {
  client: Client;
  pid: number | undefined;
  goTo: (address: string, pid: number) => void;
}) {
  const [mode, setMode] = useState<SearchMode>("text");
  const [everywhere, setEverywhere] = useState(true);
  const [found, setFound] = useState<SearchView>();
  const work = useWork();
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);
  const search = (event: Event) => {
    event.preventDefault();
    setFound(undefined);
    const ask = { mode, pattern: input.current!.value, ...(everywhere ? {} : { pid }) };
    work.run(async (patience) => setFound(await client.ask("search", ask, patience)));
  };
  return (
    <>
      <form onSubmit={search}>
        <input ref={input} name="pattern" class="mono" size={40} placeholder="what to look for" />
        <select value={mode} onChange={(event) => setMode(event.currentTarget.value as SearchMode)}>
          {MODES.map(([value, label]) => (
            <option value={value} key={value}>
              {label}
            </option>
          ))}
        </select>
        <label>
          <input type="checkbox" checked={everywhere} onChange={() => setEverywhere(!everywhere)} /> all
          processes
        </label>
        <button type="submit">Search</button>
      </form>
      <Progress {...work} />
      {found && (
        <p role="status">
          {found.matches.length} {found.matches.length === 1 ? "match" : "matches"}
          {found.isCut && " and more"}
        </p>
      )}
      <Rows
        items={found?.matches ?? []}
        height={MATCH}
        name="matches"
        row={({ pid: owner, address, line, mapping }) => (
          <>
            <button type="button" class="link mono" onClick={() => goTo(address, owner)}>
              {String(owner).padStart(7)} {line}
            </button>{" "}
            <span class="quiet">{mapping}</span>
          </>
        )}
      />
    </>
  );
}
