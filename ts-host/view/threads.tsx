/** Threads with their registers; arguments, environment and signals of the process. */
import type { ProcessView } from "./protocol.ts";

/** Registers that point into memory, mostly: a click goes there. */
const POINTERS = new Set(["ip", "sp", "bp", "pc", "fs_base"]);

export function ThreadsPanel({ process, goTo }: { process: ProcessView; goTo: (address: string) => void }) {
  return (
    <>
      {process.threads.map(({ tid, name, architecture, blocked, registers }, index) => (
        <details key={tid} open={index === 0} class="thread">
          <summary>
            <b>{tid}</b> {name} <span class="quiet">{architecture}</span>
          </summary>
          <dl class="registers">
            {registers.map(([register, value]) => (
              <div key={register}>
                <dt>{register}</dt>
                <dd class="mono">
                  {POINTERS.has(register) ? (
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

export function ProcessPanel({ process }: { process: ProcessView }) {
  const { executable, workingDirectory, root, pending } = process;
  return (
    <>
      <List title="Program" lines={[executable, `in ${workingDirectory}`, `root ${root}`]} />
      <List title="Arguments" lines={process.arguments} />
      <List title="Environment" lines={process.environment} />
      <List title="Pending signals" lines={pending} />
    </>
  );
}
