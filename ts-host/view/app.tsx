/** The viewer's page: the process tree on the left, what is known of one process on the right. */
import { render } from "preact";
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import workerCode from "worker-code";
import { DiffPanel, FindingsPanel } from "./checks.tsx";
import { Choose } from "./choose.tsx";
import { Client } from "./client.ts";
import { DescriptorsPanel } from "./descriptors.tsx";
import { chosenFiles, droppedFiles } from "./files.ts";
import { MemoryPanel } from "./memory.tsx";
import type { Origin, Overview, ProcessView } from "./protocol.ts";
import { SearchPanel } from "./search.tsx";
import { ProcessPanel, ThreadsPanel } from "./threads.tsx";
import { inTreeOrder, Tree } from "./tree.tsx";

const client = new Client(workerCode);

export const TABS = ["Memory", "Descriptors", "Threads", "Process", "Search", "Diff", "Findings"] as const;
export type Tab = (typeof TABS)[number];

/** What `criu-wasm view` has put into the page's address. */
const served = new URLSearchParams(location.hash.slice(1)).get("from");

const HELP = "j k process · 1-7 tab · g address · / search · [ ] page of memory · t theme · o open";

function Chooser({ open }: { open: (origin: Origin) => void }) {
  const choose = (files: FileList | null) => open({ files: chosenFiles(files) });
  return (
    <div class="chooser">
      <h1>criu-wasm view</h1>
      <p>Drop a checkpoint here: its directory, or a tar archive, also compressed, of CRIU or criu-wasm.</p>
      <p>
        <Choose id="directory" label="Choose a directory" choose={choose} isDirectory />
        <Choose id="archive" label="Choose an archive" choose={choose} />
      </p>
      <p class="quiet">It stays in this page: nothing is sent anywhere.</p>
    </div>
  );
}

function App() {
  const [overview, setOverview] = useState<Overview>();
  const [pid, setPid] = useState<number>();
  const [process, setProcess] = useState<ProcessView>();
  const [tab, setTab] = useState<Tab>("Memory");
  const [address, setAddress] = useState<string>();
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);
  const addressInput = useRef<HTMLInputElement>(null);
  const lines = useMemo(() => inTreeOrder(overview?.processes ?? []), [overview]);

  const open = useCallback(async (origin: Origin | Promise<Origin>) => {
    setError(undefined);
    setBusy(true);
    try {
      const found = await client.ask("open", await origin);
      setProcess(undefined);
      setOverview(found);
      setPid(inTreeOrder(found.processes)[0]?.pid);
    } catch (failure) {
      setError((failure as Error).message);
    }
    setBusy(false);
  }, []);

  useEffect(() => {
    if (served !== null) open({ url: new URL(served, location.href).href });
  }, [open]);

  useEffect(() => {
    if (pid === undefined) return;
    let isCurrent = true;
    setAddress(undefined);
    client.ask("process", { pid }).then(
      (found) => isCurrent && setProcess(found),
      (failure: Error) => isCurrent && setError(failure.message),
    );
    return () => {
      isCurrent = false;
    };
  }, [pid, overview]);

  const goTo = useCallback((where: string, inProcess?: number) => {
    if (inProcess !== undefined) setPid(inProcess);
    setTab("Memory");
    // After the process has been set, which forgets the address.
    setTimeout(() => setAddress(where));
  }, []);

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.target instanceof HTMLInputElement || event.ctrlKey || event.metaKey || event.altKey) return;
      const step = { j: 1, k: -1 }[event.key];
      const number = Number(event.key);
      if (step !== undefined) {
        setPid((current) => {
          const at = lines.findIndex((line) => line.pid === current) + step;
          return lines[Math.min(lines.length - 1, Math.max(0, at))]?.pid;
        });
      } else if (number >= 1 && number <= TABS.length) setTab(TABS[number - 1]);
      else if (event.key === "/") setTab("Search");
      else if (event.key === "g") {
        setTab("Memory");
        // On another tab the field is there only after the next drawing.
        if (addressInput.current) addressInput.current.focus();
        else setTimeout(() => addressInput.current?.focus());
      } else if (event.key === "t") toggleTheme();
      else if (event.key === "o") setOverview(undefined);
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [lines]);

  useEffect(() => {
    const over = (event: DragEvent) => event.preventDefault();
    const drop = (event: DragEvent) => {
      event.preventDefault();
      if (event.dataTransfer) open(droppedFiles(event.dataTransfer).then((files) => ({ files })));
    };
    addEventListener("dragover", over);
    addEventListener("drop", drop);
    return () => {
      removeEventListener("dragover", over);
      removeEventListener("drop", drop);
    };
  }, [open]);

  if (overview === undefined) {
    return (
      <main class="start">
        <Chooser open={open} />
        {busy && <p role="status">Reading …</p>}
        {error && (
          <p class="error" role="alert">
            {error}
          </p>
        )}
      </main>
    );
  }
  return (
    <div class="app">
      <header>
        <strong>{overview.location}</strong>
        <span class="quiet">
          {overview.format}, {lines.length} {lines.length === 1 ? "process" : "processes"}
          {overview.generations > 1 && `, continues ${overview.generations - 1}`}
        </span>
        <span class="help quiet">{HELP}</span>
        <button type="button" onClick={toggleTheme} title="dark or light (t)">
          ◐
        </button>
      </header>
      <Tree lines={lines} selected={pid} select={setPid} />
      <section class="detail">
        <div class="tabs" role="tablist">
          {TABS.map((name) => (
            <button
              type="button"
              role="tab"
              aria-selected={name === tab}
              key={name}
              onClick={() => setTab(name)}
            >
              {name}
            </button>
          ))}
          {process && (
            <span class="title" title={process.executable}>
              <b>{process.pid}</b> {process.name} <span class="quiet">{process.executable}</span>
            </span>
          )}
        </div>
        {error && (
          <p class="error" role="alert">
            {error}
          </p>
        )}
        <div class={`panel of-${tab.toLowerCase()}`} data-pid={process?.pid}>
          {process && tab === "Memory" && (
            <MemoryPanel
              client={client}
              process={process}
              address={address}
              goTo={goTo}
              input={addressInput}
            />
          )}
          {process && tab === "Descriptors" && (
            <DescriptorsPanel client={client} pid={process.pid} select={setPid} />
          )}
          {process && tab === "Threads" && <ThreadsPanel process={process} goTo={goTo} />}
          {process && tab === "Process" && <ProcessPanel process={process} goTo={goTo} />}
          {tab === "Search" && <SearchPanel key={overview.location} client={client} pid={pid} goTo={goTo} />}
          {tab === "Diff" && <DiffPanel key={overview.location} client={client} goTo={goTo} />}
          {tab === "Findings" && <FindingsPanel client={client} of={overview.location} />}
        </div>
      </section>
    </div>
  );
}

function toggleTheme(): void {
  const root = document.documentElement;
  const isDark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
  dispatchEvent(new Event("theme"));
}

render(<App />, document.getElementById("app")!);
