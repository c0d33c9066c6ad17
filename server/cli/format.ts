/**
 * Numbers as people read them in a terminal. English separators always, so that output can be
 * compared between machines.
 */

const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** `1234567` as `1,234,567`. */
export function count(value: number): string {
  return whole.format(value);
}

/** A rate: `7.52 M`, `812 K`, `950`. */
export function rate(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)} M`;
  if (value >= 1e5) return `${(value / 1e3).toFixed(0)} K`;
  if (value >= 1e3) return `${(value / 1e3).toFixed(1)} K`;
  return value.toFixed(0);
}

/** A time given in milliseconds: `83 us`, `1.24 ms`, `2.50 s`. */
export function time(ms: number): string {
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  if (ms >= 1) return `${ms.toFixed(2)} ms`;
  return `${(ms * 1000).toFixed(ms < 0.01 ? 1 : 0)} us`;
}

/** A time per operation given in nanoseconds: `132 ns`, `8.41 us`. */
export function perOperation(ns: number): string {
  return ns >= 1000 ? `${(ns / 1000).toFixed(2)} us` : `${ns.toFixed(0)} ns`;
}

/** A share between 0 and 1 as a percentage: `56.24 %`. */
export function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}

/** Bytes: `512 B`, `64 KiB`, `1.5 GiB`. */
export function bytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  let unit = 0;
  let scaled = value;
  while (scaled >= 1024 && unit < units.length - 1) {
    scaled /= 1024;
    unit += 1;
  }
  return `${Number(scaled.toFixed(scaled < 10 ? 1 : 0))} ${units[unit]}`;
}

/**
 * Rows of cells as an aligned table: the first column to the left, the others to the right; two
 * spaces between.
 */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  }
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** `label   value` lines with the values in one column. */
export function facts(pairs: readonly (readonly [label: string, value: string])[]): string {
  const width = Math.max(...pairs.map(([label]) => label.length));
  return pairs.map(([label, value]) => `${label.padEnd(width)}  ${value}`).join('\n');
}
