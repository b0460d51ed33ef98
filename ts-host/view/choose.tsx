/** A button with which a person chooses a checkpoint: its directory, or an archive. */
export function Choose({
  id,
  label,
  choose,
  isDirectory = false,
}: {
  id: string;
  label: string;
  choose: (files: FileList | null) => void;
  isDirectory?: boolean;
}) {
  const what = isDirectory ? { webkitdirectory: true } : { accept: ".tar,.gz,.tgz,.zst" };
  return (
    <label class="button">
      {label}
      <input id={id} type="file" {...what} onChange={(event) => choose(event.currentTarget.files)} />
    </label>
  );
}
