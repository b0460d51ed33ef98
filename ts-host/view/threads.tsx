/** Threads with their registers; arguments, environment and signals of the process. */
import type { ProcessView } from "./protocol.ts";

export function ThreadsPanel({ process, goTo }: { process: ProcessView; goTo: (address: string) => void }) {
  return (
    <>
      {process.threads.map(({ tid, name, architecture, blocked, pending, registers }, index) => (
        <details key={tid} open={index === 0} class="thread">
          <summary>
            <b>{tid}</b> {name} <span class="quiet">{architecture}</span>
          </summary>
          <dl class="registers">
            {registers.map(({ name: register, value, isMapped }) => (
              <div key={register}>
                <dt>{register}</dt>
                <dd class="mono">
                  {isMapped ? (
                    <button type="button" class="link mono" onClick={() => goTo(value)}>
                      {value}
                    </button>
                  ) : (
                    value
                  )}
                </dd>
              </div>
            ))}
          </dl>
          {pending !== "" && <p>pending {pending}</p>}
          {blocked !== "" && <p class="quiet">blocks {blocked}</p>}
        </details>
      ))}
    </>
  );
}

function List({ title, lines }: { title: string; lines: readonly string[] }) {
  return (
    <>
      <h2>{title}</h2>
      {lines.length === 0 ? <p class="quiet">none, or not in the images</p> : <pre>{lines.join("\n")}</pre>}
    </>
  );
}

function Actions({ process, goTo }: { process: ProcessView; goTo: (address: string) => void }) {
  return (
    <>
      <h2>Signal actions</h2>
      {process.actions.length === 0 && <p class="quiet">all default</p>}
      <table class="actions">
        <tbody>
          {process.actions.map(({ signal, handler, flags, blocked }) => (
            <tr key={signal}>
              <td>{signal}</td>
              <td>
                {handler === undefined ? (
                  "ignored"
                ) : (
                  <button type="button" class="link mono" onClick={() => goTo(handler)}>
                    {handler}
                  </button>
                )}
              </td>
              <td class="quiet">{flags}</td>
              <td class="quiet">{blocked === "" ? "" : `blocks ${blocked}`}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

export function ProcessPanel({ process, goTo }: { process: ProcessView; goTo: (address: string) => void }) {
  const { executable, workingDirectory, root, pending } = process;
  return (
    <>
      <List title="Program" lines={[executable, `in ${workingDirectory}`, `root ${root}`]} />
      <List title="Arguments" lines={process.arguments} />
      <Actions process={process} goTo={goTo} />
      <List title="Pending signals" lines={pending} />
      <List title="Environment" lines={process.environment} />
    </>
  );
}
