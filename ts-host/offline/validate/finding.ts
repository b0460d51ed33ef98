/** What validation has to say about a checkpoint. */
import type { CriuWasmError } from "../../errors.ts";

export interface Finding {
  /** "error": damaged, or a restore cannot work. "warning": strange, or something that a restore needs is elsewhere. */
  severity: "error" | "warning";
  /** Name of the image file. */
  file: string;
  /** Number of the record in it, from 0. */
  record?: number;
  field?: string;
  /** Byte offset in the file. */
  offset?: number;
  message: string;
}

/** Where in an image something is. */
export type Place = Pick<Finding, "file" | "record" | "field">;

export function wrong(place: Place, message: string): Finding {
  return { severity: "error", ...place, message };
}

export function strange(place: Place, message: string): Finding {
  return { severity: "warning", ...place, message };
}

/** An error of reading as a finding; `file`: the image that was read. */
export function fromError(error: CriuWasmError, file: string): Finding {
  const { record, field, offset } = error.context;
  return {
    severity: "error",
    file,
    ...(record === undefined ? {} : { record }),
    ...(field === undefined ? {} : { field }),
    ...(offset === undefined ? {} : { offset }),
    message: error.message,
  };
}

/** One line for people: `error: files.img, record 3, field reg.name: …`. */
export function describeFinding({ severity, file, record, field, offset, message }: Finding): string {
  const about = [file];
  if (record !== undefined) about.push(`record ${record}`);
  if (field !== undefined) about.push(`field ${field}`);
  if (offset !== undefined) about.push(`offset ${offset}`);
  return `${severity}: ${about.join(", ")}: ${message}`;
}
