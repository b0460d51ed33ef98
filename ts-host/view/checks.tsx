/** What is wrong with the checkpoint, and what is different from an earlier one. */
import { useEffect, useState } from "preact/hooks";
import { Choose } from "./choose.tsx";
import type { Client } from "./client.ts";
import { chosenFiles } from "./files.ts";
import { Progress, useWork } from "./progress.tsx";
import type { DiffView, FindingView } from "./protocol.ts";

export function FindingsPanel({ client, of }: { client: Client; of: string }) {
  const [findings, setFindings] = useState<FindingView[]>();
  const work = useWork();
  useEffect(() => {
    setFindings(undefined);
    work.run(async (patience) => setFindings(await client.ask("validate", {}, patience)));
  }, [client, of]);
  if (findings === undefined) {
    return (
      <>
        <p role="status">{work.part === undefined ? "Stopped." : "Reading everything …"}</p>
        <Progress {...work} />
      </>
    );
  }
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

const pagesText = (count: number) => `${count} ${count === 1 ? "page" : "pages"}`;

export function DiffPanel({
  client,
  goTo,
}: {
  client: Client;
  goTo: (address: string, pid: number) => void;
}) {
  const [found, setFound] = useState<DiffView[]>();
  const work = useWork();
  const compare = (list: FileList | null) => {
    setFound(undefined);
    work.run(async (patience) => setFound(await client.ask("diff", { files: chosenFiles(list) }, patience)));
  };
  return (
    <>
      <p>
        <Choose id="before" label="Compare with an earlier checkpoint" choose={compare} isDirectory />
        <Choose id="before-archive" label="… in an archive" choose={compare} />
      </p>
      <Progress {...work} />
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
                {changed > 0 && `${pagesText(changed)} changed`} {added > 0 && `${pagesText(added)} added`}
              </li>
            ))}
          </ul>
        </section>
      ))}
    </>
  );
}
