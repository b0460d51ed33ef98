/** Numbers for people. */

const UNITS = ["bytes", "kB", "MB", "GB", "TB"];

/** `812 bytes`, `4.1 kB`, `1.3 GB`: of 1000. */
export function bytes(count: number): string {
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return unit === 0 ? `${count} ${count === 1 ? "byte" : "bytes"}` : `${value.toFixed(1)} ${UNITS[unit]}`;
}

/** `12,345`. */
export function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `1 page`, `2 pages`, `3 processes`. */
export function counted(count: number, noun: string): string {
  const ending = count === 1 ? "" : noun.endsWith("s") ? "es" : "s";
  return `${grouped(count)} ${noun}${ending}`;
}
