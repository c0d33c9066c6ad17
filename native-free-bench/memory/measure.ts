/** What an entry costs in memory: the growth of a process between empty and full. */
import { Unavailable } from '../case.js';
import { type Spread, spreadOf } from '../statistics.js';
import { type HolderKind, PAYLOAD_BYTES } from './holder.js';
import { residentBytes, settledBytes } from './rss.js';

/** One fill of one holder. */
export interface MemorySample {
  readonly version: string;
  readonly emptyBytes: number;
  readonly fullBytes: number;
  /** Entries that were read back and compared. */
  readonly readBack: number;
}

export type MemoryRow =
  | {
      readonly holder: string;
      readonly entries: number;
      readonly state: 'measured';
      readonly version: string;
      readonly emptyBytes: Spread;
      readonly fullBytes: Spread;
      /** Bytes of growth for each entry. */
      readonly perEntry: Spread;
      /** What of it is neither key nor value. */
      readonly overhead: Spread;
      /** Entries read back and compared, in all rounds. */
      readonly readBack: number;
    }
  | {
      readonly holder: string;
      readonly entries: number;
      readonly state: 'skipped' | 'failed';
      readonly reason: string;
    };

/** Fills a holder once. */
export async function measure(
  kind: HolderKind,
  entries: number,
  sleep: (ms: number) => Promise<unknown>,
): Promise<MemorySample> {
  const holder = await kind.start(entries);
  try {
    const bytes = (): Promise<number> => settledBytes(() => residentBytes(holder.pid), sleep);
    const emptyBytes = await bytes();
    await holder.fill();
    // Before the look at the memory: redis moves its table over to the larger one in small steps,
    // and has both until it was used often enough.
    const readBack = await holder.readBack();
    if (readBack !== entries) throw new Error(`${readBack} of ${entries} entries were read back`);
    return { version: holder.version, emptyBytes, fullBytes: await bytes(), readBack };
  } finally {
    await holder.stop();
  }
}

/** A row of the samples of one holder. */
export function rowOf(
  holder: string,
  entries: number,
  samples: readonly MemorySample[],
): MemoryRow {
  const perEntry = samples.map(({ emptyBytes, fullBytes }) => (fullBytes - emptyBytes) / entries);
  return {
    holder,
    entries,
    state: 'measured',
    version: samples[0]!.version,
    emptyBytes: spreadOf(samples.map((sample) => sample.emptyBytes)),
    fullBytes: spreadOf(samples.map((sample) => sample.fullBytes)),
    perEntry: spreadOf(perEntry),
    overhead: spreadOf(perEntry.map((bytes) => bytes - PAYLOAD_BYTES)),
    readBack: samples.reduce((sum, sample) => sum + sample.readBack, 0),
  };
}

/** The row of a holder that could not be measured. */
export function failureOf(holder: string, entries: number, error: unknown): MemoryRow {
  const state = error instanceof Unavailable ? 'skipped' : 'failed';
  const reason = error instanceof Error ? error.message : String(error);
  return { holder, entries, state, reason };
}
