/** The figures of the formats as an SVG image, which follows the reader's choice of dark or light. */
import type { FormatRow } from "./formats.ts";

interface Column {
  title: string;
  better: "less" | "more";
  value(row: FormatRow): number | undefined;
  /** Whether twice as long a bar is ten times as much. */
  isLogarithmic?: boolean;
}

const MB = 1e6;

const COLUMNS: Column[] = [
  { title: "size, MB", better: "less", value: ({ bytes }) => bytes / MB },
  {
    title: "a second one, MB",
    better: "less",
    value: ({ later }) => (later === undefined ? undefined : later / MB),
  },
  { title: "write, MB/s", better: "more", value: ({ encode }) => encode / MB },
  { title: "read, MB/s", better: "more", value: ({ decode }) => decode / MB },
  { title: "one page, µs (p50)", better: "less", value: ({ page }) => page?.p50, isLogarithmic: true },
];

const LABEL_WIDTH = 150;
const COLUMN_WIDTH = 160;
const BAR_WIDTH = 96;
const ROW_HEIGHT = 26;
const HEAD_HEIGHT = 76;
const MARGIN = 16;

const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600; font-size: 15px }
  .column { font-weight: 600 }
  .hint { fill: #59636e; font-size: 11px }
  .page { fill: #ffffff }
  .bar { fill: #9aa4af }
  .native { fill: #0969da }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .hint { fill: #9198a1 }
    .page { fill: #0d1117 }
    .bar { fill: #59636e }
    .native { fill: #4493f8 }
  }`;

/** Three digits, but no fewer than there are before the point. */
export function shortNumber(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2);
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

function bar(row: FormatRow, column: Column, most: number, x: number, y: number): string {
  const value = column.value(row);
  if (value === undefined) return `<text class="hint" x="${x}" y="${y + 14}">all of it</text>`;
  const part = column.isLogarithmic ? Math.log10(1 + value) / Math.log10(1 + most) : value / most;
  const width = Math.max(1, part * BAR_WIDTH).toFixed(1);
  const style = row.format.startsWith("native") ? "bar native" : "bar";
  return (
    `<rect class="${style}" x="${x}" y="${y + 3}" width="${width}" height="${ROW_HEIGHT - 11}" rx="2"/>` +
    `<text x="${(x + Number(width) + 5).toFixed(1)}" y="${y + 15}">${shortNumber(value)}</text>`
  );
}

/** `title`: what was measured. */
export function plotFormats(title: string, rows: readonly FormatRow[]): string {
  const columns = COLUMNS.filter(({ value }) => rows.some((row) => value(row) !== undefined));
  const width = 2 * MARGIN + LABEL_WIDTH + columns.length * COLUMN_WIDTH;
  const height = HEAD_HEIGHT + rows.length * ROW_HEIGHT + MARGIN;
  const parts = [`<text class="title" x="${MARGIN}" y="26">${escaped(title)}</text>`];
  for (const [index, column] of columns.entries()) {
    const x = MARGIN + LABEL_WIDTH + index * COLUMN_WIDTH;
    const most = Math.max(...rows.map((row) => column.value(row) ?? 0));
    const scale = column.isLogarithmic ? ", log. scale" : "";
    parts.push(`<text class="column" x="${x}" y="50">${column.title}</text>`);
    parts.push(`<text class="hint" x="${x}" y="65">${column.better} is better${scale}</text>`);
    for (const [number, row] of rows.entries())
      parts.push(bar(row, column, most, x, HEAD_HEIGHT + number * ROW_HEIGHT));
  }
  for (const [number, { format }] of rows.entries()) {
    const y = HEAD_HEIGHT + number * ROW_HEIGHT + 15;
    parts.push(`<text x="${MARGIN}" y="${y}">${escaped(format)}</text>`);
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<title>${escaped(title)}</title>
<style>${STYLE}
</style>
<rect class="page" width="${width}" height="${height}" rx="6"/>
${parts.join("\n")}
</svg>
`;
}
