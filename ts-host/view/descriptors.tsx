/** Open descriptors: what each is, who else has it open, who has the other end. */
import { useEffect, useState } from "preact/hooks";
import type { Client } from "./client.ts";
import type { DescriptorView, OwnersView } from "./protocol.ts";
import { Rows } from "./rows.tsx";

const SOCKETS = ["INETSK", "UNIXSK", "PACKETSK", "NETLINKSK"];
/** Pixels of a descriptor. */
const DESCRIPTOR = 24;

/** Of those that share a file, so many are shown. */
const SHOWN = 3;

function Owners({ owners: { count, first }, select }: { owners: OwnersView; select: (pid: number) => void }) {
  const named = first.map(({ pid, fd }) => `${pid}:${fd}`);
  return (
    <span class="owners">
      {first.slice(0, SHOWN).map(({ pid }, index) => (
        <button type="button" class="link" key={named[index]} onClick={() => select(pid)}>
          {named[index]}
        </button>
      ))}
      {count > SHOWN && (
        <span class="quiet" title={`${named.join(", ")}${count > first.length ? " …" : ""}`}>
          +{count - SHOWN}
        </span>
      )}
    </span>
  );
}

export function DescriptorsPanel({
  client,
  pid,
  select,
}: {
  client: Client;
  pid: number;
  select: (pid: number) => void;
}) {
  const [descriptors, setDescriptors] = useState<DescriptorView[]>();
  const [error, setError] = useState<string>();
  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    client.ask("descriptors", { pid }, { signal }).then(setDescriptors, ({ message }) => setError(message));
    return () => controller.abort();
  }, [client, pid]);
  const [onlySockets, setOnlySockets] = useState(false);
  if (error) return <p class="error">{error}</p>;
  if (descriptors === undefined) return <p role="status">Reading …</p>;
  const shown = onlySockets ? descriptors.filter(({ type }) => SOCKETS.includes(type)) : descriptors;
  return (
    <>
      <p>
        <label>
          <input type="checkbox" checked={onlySockets} onChange={() => setOnlySockets(!onlySockets)} />{" "}
          sockets only
        </label>{" "}
        <span class="quiet">
          {shown.length} of {descriptors.length}
        </span>
      </p>
      <div class="descriptor heading">
        <span class="number">fd</span>
        <span>type</span>
        <span>what</span>
        <span>also open as</span>
        <span>other end</span>
      </div>
      <Rows
        items={shown}
        height={DESCRIPTOR}
        name="descriptors"
        row={({ fd, type, text, closeOnExec, sharedWith, peers }) => (
          <div class="descriptor">
            <span class="number">{fd}</span>
            <span>{type.toLowerCase()}</span>
            <span class="mono" title={text}>
              {text} {closeOnExec && <span class="quiet">cloexec</span>}
            </span>
            <Owners owners={sharedWith} select={select} />
            <Owners owners={peers} select={select} />
          </div>
        )}
      />
    </>
  );
}
