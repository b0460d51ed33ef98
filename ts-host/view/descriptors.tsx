/** Open descriptors: what each is, who else has it open, who has the other end. */
import { useState } from "preact/hooks";
import type { ProcessView } from "./protocol.ts";

const SOCKETS = ["INETSK", "UNIXSK", "PACKETSK", "NETLINKSK"];

export function DescriptorsPanel({ process: { descriptors } }: { process: ProcessView }) {
  const [onlySockets, setOnlySockets] = useState(false);
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
      <table class="descriptors">
        <thead>
          <tr>
            <th>fd</th>
            <th>type</th>
            <th>what</th>
            <th>also open as</th>
            <th>other end</th>
          </tr>
        </thead>
        <tbody>
          {shown.map(({ fd, type, text, closeOnExec, sharedWith, peers }) => (
            <tr key={fd}>
              <td class="number">{fd}</td>
              <td>{type.toLowerCase()}</td>
              <td class="mono">
                {text} {closeOnExec && <span class="quiet">cloexec</span>}
              </td>
              <td>{sharedWith.join(", ")}</td>
              <td>{peers.join(", ")}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
