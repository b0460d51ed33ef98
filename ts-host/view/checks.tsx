/** What is wrong with the checkpoint, and what is different from an earlier one. */
import { useEffect, useState } from "preact/hooks";
import type { Client } from "./client.ts";
import { chosenFiles } from "./files.ts";
import type { DiffView, FindingView } from "./protocol.ts";

export function FindingsPanel({ client, of }: { client: Client; of: string }) {
  const [findings, setFindings] = useState<FindingView[]>();
  const [error, setError] = useState<string>();
  useEffect(() => {
    setFindings(undefined);
    client.ask("validate", {}).then(setFindings, (failure: Error) => setError(failure.message));
  }, [client, of]);
  if (error) return <p class="error">{error}</p>;
  if (findings === undefined) return <p role="status">Reading everything …</p>;
  if (findings.length === 0)
    return <p role="status">Nothing is wrong: every image is sound, every reference leads somewhere.</p>;
  return (
    <ul class="findings">
      {findings.map(({ severity, text }) => (
        <li key={text} class={severity}>
          {text}
        </li>
      ))}
    </ul>
  );
}

export function DiffPanel({
  client,
  goTo,
}: {
  client: Client;
  goTo: (address: string, pid: number) => void;
}) {
  const [found, setFound] = useState<DiffView[]>();
  const [progress, setProgress] = useState<number>();
  const [error, setError] = useState<string>();
  const compare = async (list: FileList | null) => {
    setError(undefined);
    setProgress(0);
    try {
      setFound(await client.ask("diff", { files: chosenFiles(list) }, setProgress));
    } catch (failure) {
      setError((failure as Error).message);
    }
    setProgress(undefined);
  };
  return (
    <>
      <p>
        <label class="button">
          Compare with an earlier checkpoint
          <input
            id="before"
            type="file"
            {...{ webkitdirectory: true }}
            onChange={(event) => compare(event.currentTarget.files)}
          />
        </label>
      </p>
      {progress !== undefined && <progress value={progress} />}
      {error && <p class="error">{error}</p>}
      {found?.length === 0 && <p role="status">No difference.</p>}
      {found?.map(({ pid, name, is, changes, memory, compared }) => (
        <section key={pid} class="difference">
          <h2>
            {pid} {name} <span class="quiet">{is === "kept" ? `${compared} pages compared` : is}</span>
          </h2>
          <ul>
            {changes.map(({ what, before, after }) => (
              <li key={what}>
                {what}: <del>{before}</del> <ins>{after}</ins>
              </li>
            ))}
            {memory.map(({ mapping, changed, added, first }) => (
              <li key={mapping}>
                <button type="button" class="link mono" onClick={() => goTo(first, pid)}>
                  {mapping}
                </button>{" "}
                {changed > 0 && `${changed} pages changed`} {added > 0 && `${added} pages added`}
              </li>
            ))}
          </ul>
        </section>
      ))}
    </>
  );
}
