/**
 * Access traces and the hit ratios that well-known policies reach on them
 * (test/fixtures/traces/README.md).
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
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
  /** How often this pair stands in the file: small traces have one size for several fractions. */
  readonly rows: number;
  /** By algorithm, 0 to 1. */
  readonly hitRatios: ReadonlyMap<string, number>;
}

const COLUMNS = ['trace', 'size_entries', 'algorithm', 'hit_ratio'] as const;
const TRACE_SUFFIX = '.u32.gz';
const SIZES_SUFFIX = '.size.u32.gz';
/** What is taken of an algorithm that tools do not agree about: its own authors' code. */
const AUTHORITIES: ReadonlyMap<string, string> = new Map([['W-TinyLFU', 'caffeine-2.6.2']]);
/** Shares of a trace's objects that a folder without baselines is replayed with room for. */
const SHARES = [0.001, 0.01, 0.1, 0.3] as const;
const LEAST_ENTRIES = 100;

/**
 * What a folder has to replay: the rows of its `baselines.csv`; without such a file, all its traces
 * with room for some shares of their objects, and nothing to compare with.
 * @throws Error when there is nothing, or the file is wrong
 */
export function readRows(folder: string): Baseline[] {
  if (existsSync(join(folder, 'baselines.csv'))) return readBaselines(folder);
  const names = existsSync(folder)
    ? readdirSync(folder)
        .filter((file) => file.endsWith(TRACE_SUFFIX) && !file.endsWith(SIZES_SUFFIX))
        .map((file) => file.slice(0, -TRACE_SUFFIX.length))
        .sort()
    : [];
  if (names.length === 0) throw new Error(`${folder} has no baselines.csv and no NAME.u32.gz`);
  return names.flatMap((trace) => rowsOf(trace, new Set(readTrace(folder, trace)).size));
}

function rowsOf(trace: string, objects: number): Baseline[] {
  const rows = new Map<number, number>();
  for (const share of SHARES) {
    const entries = Math.max(LEAST_ENTRIES, Math.round(share * objects));
    rows.set(entries, (rows.get(entries) ?? 0) + 1);
  }
  return [...rows].map(([entries, count]) => {
    return { trace, entries, rows: count, hitRatios: new Map() };
  });
}

/**
 * Reads `baselines.csv` of a folder, in the order of the file. Where several tools give the same
 * algorithm, its authors' counts, or the first.
 * @throws Error naming the file, and the line that is wrong
 */
export function readBaselines(folder: string): Baseline[] {
  const path = join(folder, 'baselines.csv');
  const [header, ...lines] = readFileSync(path, 'utf8').trim().split(/\r?\n/);
  const names = header!.split(',');
  const [trace, size, algorithm, ratio] = COLUMNS.map((name) => {
    const column = names.indexOf(name);
    if (column < 0) throw new Error(`${path} has no column ${name}; its first line names them`);
    return column;
  }) as [number, number, number, number];
  const tool = names.indexOf('tool');
  const share = names.indexOf('size_fraction');
  const found = new Map<string, BaselineDraft>();
  lines.forEach((line, i) => {
    const cells = line.split(',');
    const entries = Number(cells[size]);
    const hitRatio = Number(cells[ratio]);
    if (!Number.isInteger(entries) || entries < 1 || !(hitRatio >= 0 && hitRatio <= 1)) {
      throw new Error(`${path}:${i + 2} is no row of a trace, a size and a hit ratio: ${line}`);
    }
    const key = `${cells[trace]} ${entries}`;
    let draft = found.get(key);
    if (draft === undefined) {
      draft = { trace: cells[trace]!, entries, shares: new Set(), hitRatios: new Map() };
      found.set(key, draft);
    }
    draft.shares.add(cells[share]);
    const name = cells[algorithm]!;
    const authority = tool < 0 ? undefined : AUTHORITIES.get(name);
    if (authority !== undefined && cells[tool] !== authority) return;
    if (!draft.hitRatios.has(name)) draft.hitRatios.set(name, hitRatio);
  });
  return [...found.values()].map(({ shares, ...rest }) => ({ ...rest, rows: shares.size }));
}

interface BaselineDraft {
  readonly trace: string;
  readonly entries: number;
  /** Of the trace's objects; `undefined` where the file does not say. */
  readonly shares: Set<string | undefined>;
  readonly hitRatios: Map<string, number>;
}

/**
 * The accesses of `NAME.u32.gz`: the number of an object each; `undefined` when the folder does not
 * have the trace.
 * @throws Error when the file is damaged
 */
export function readTrace(folder: string, name: string): Uint32Array | undefined {
  const path = join(folder, `${name}${TRACE_SUFFIX}`);
  if (!existsSync(path)) return undefined;
  const bytes = gunzipSync(readFileSync(path));
  if (bytes.length % 4 !== 0) throw new Error(`${path} is no row of 4-byte numbers`);
  return Uint32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readUInt32LE(4 * i));
}
