/**
 * Access traces and the hit ratios that well-known policies reach on them
 * (test/fixtures/traces/README.md).
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

/** The traces that come with the repository. */
export const SHIPPED_TRACES = fileURLToPath(
  new URL('../../test/fixtures/traces/', import.meta.url),
);

/** Hit ratios on one trace, with room for one number of entries. */
export interface Baseline {
  readonly trace: string;
  readonly entries: number;
  /** By algorithm, 0 to 1. */
  readonly hitRatios: ReadonlyMap<string, number>;
}

const COLUMNS = ['trace', 'size_entries', 'algorithm', 'hit_ratio'] as const;

/**
 * Reads `baselines.csv` of a folder, in the order of the file. Where several tools give the same
 * algorithm, the first counts.
 * @throws Error naming the file, and the line that is wrong
 */
export function readBaselines(folder: string): Baseline[] {
  const path = join(folder, 'baselines.csv');
  if (!existsSync(path)) throw new Error(`${folder} has no baselines.csv to compare with`);
  const [header, ...lines] = readFileSync(path, 'utf8').trim().split(/\r?\n/);
  const names = header!.split(',');
  const [trace, size, algorithm, ratio] = COLUMNS.map((name) => {
    const column = names.indexOf(name);
    if (column < 0) throw new Error(`${path} has no column ${name}; its first line names them`);
    return column;
  }) as [number, number, number, number];
  const baselines = new Map<string, Baseline & { hitRatios: Map<string, number> }>();
  lines.forEach((line, i) => {
    const cells = line.split(',');
    const entries = Number(cells[size]);
    const hitRatio = Number(cells[ratio]);
    if (!Number.isInteger(entries) || entries < 1 || !(hitRatio >= 0 && hitRatio <= 1)) {
      throw new Error(`${path}:${i + 2} is no row of a trace, a size and a hit ratio: ${line}`);
    }
    const key = `${cells[trace]} ${entries}`;
    let baseline = baselines.get(key);
    if (baseline === undefined) {
      baseline = { trace: cells[trace]!, entries, hitRatios: new Map() };
      baselines.set(key, baseline);
    }
    if (!baseline.hitRatios.has(cells[algorithm]!)) {
      baseline.hitRatios.set(cells[algorithm]!, hitRatio);
    }
  });
  return [...baselines.values()];
}

/**
 * The accesses of `NAME.u32.gz`: the number of an object each; `undefined` when the folder does not
 * have the trace.
 * @throws Error when the file is damaged
 */
export function readTrace(folder: string, name: string): Uint32Array | undefined {
  const path = join(folder, `${name}.u32.gz`);
  if (!existsSync(path)) return undefined;
  const bytes = gunzipSync(readFileSync(path));
  if (bytes.length % 4 !== 0) throw new Error(`${path} is no row of 4-byte numbers`);
  return Uint32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readUInt32LE(4 * i));
}
