/** Search in the memory of one process or of all. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Client } from "./client.ts";
import type { SearchMode, SearchView } from "./protocol.ts";

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
  const [progress, setProgress] = useState<number>();
  const [error, setError] = useState<string>();
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);
  const search = async (event: Event) => {
    event.preventDefault();
    setError(undefined);
    setFound(undefined);
    setProgress(0);
    try {
      const ask = { mode, pattern: input.current!.value, ...(everywhere ? {} : { pid }) };
      setFound(await client.ask("search", ask, setProgress));
    } catch (failure) {
      setError((failure as Error).message);
    }
    setProgress(undefined);
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
      {progress !== undefined && <progress value={progress} />}
      {error && (
        <p class="error" role="alert">
          {error}
        </p>
      )}
      {found && (
        <p role="status">
          {found.matches.length} {found.matches.length === 1 ? "match" : "matches"}
          {found.isCut && " and more"}
        </p>
      )}
      <pre class="matches">
        {found?.matches.map(({ pid: owner, address, line, mapping }) => (
          <div key={`${owner} ${address}`}>
            <button type="button" class="link mono" onClick={() => goTo(address, owner)}>
              {String(owner).padStart(7)} {line}
            </button>{" "}
            <span class="quiet">{mapping}</span>
          </div>
        ))}
      </pre>
    </>
  );
}
