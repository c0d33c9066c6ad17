/** Readers of the values on the benchmarks' command lines. */
import { InvalidArgumentError } from 'commander';

const FACTORS: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6 };

/** A number of entries: `10m`, `500k`, `1_000`. */
export function entryCount(text: string): number {
  const [, digits, unit] = /^([\d_]+(?:\.\d+)?)([km]?)$/i.exec(text) ?? [];
  const count = Math.round(
    Number(digits?.replaceAll('_', '')) * FACTORS[unit?.toLowerCase() ?? '']!,
  );
  if (!(count >= 1000 && count <= 1e9)) {
    throw new InvalidArgumentError("It must be a number from 1000 to 1000m, such as '10m'.");
  }
  return count;
}

/** Several of them: commander hands those before along. */
export function entryCounts(text: string, before: readonly number[] = []): readonly number[] {
  return [...before, entryCount(text)];
}
