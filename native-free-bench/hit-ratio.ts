/**
 * Replays access traces through the cache as a cache-aside user would, once for each eviction
 * policy, beside the hit ratios of well-known policies.
 */
import { Arena, MAX_MEMORY_BYTES, POLICIES, type Policy } from '../engine/arena.js';
import { simulate, TEXTBOOK } from './textbook.js';
import { type Baseline, readRows, readTrace } from './traces.js';

export const HIT_RATIO_NAME = 'hit-ratio';

/** All that evict. */
export const EVICTING_POLICIES = POLICIES.filter((policy) => policy !== 'none');

export interface ReplayPlan {
  readonly policies: readonly Policy[];
  /** Each row is replayed with each of these numbers of partitions that it is large enough for. */
  readonly partitions: readonly number[];
}

/** One row of baselines, replayed with one number of partitions. */
export interface HitRatioOutcome {
  /** `hit-ratio/TRACE/ENTRIES`. */
  readonly name: string;
  readonly trace: string;
  readonly entries: number;
  /** What it counts in means (`Baseline.rows`). */
  readonly rows: number;
  readonly accesses: number;
  readonly partitions: number;
  /** Ours, 0 to 1. */
  readonly hitRatios: Readonly<Partial<Record<Policy, number>>>;
  /** By algorithm, 0 to 1. */
  readonly baselines: Readonly<Record<string, number>>;
  /** Something is wrong with the cache: the numbers are not to be believed. */
  readonly wrong?: string;
}

/** Fewer entries than this in a partition are no cache that somebody would divide. */
const LEAST_ENTRIES_PER_PARTITION = 125;

const MIB = 1024 ** 2;
/**
 * More than an entry needs, index included, and a partition for its first pages: `maxEntries`
 * decides what is evicted, not `memory`.
 */
const BYTES_PER_ENTRY = 128;
const BYTES_PER_PARTITION = 2 * MIB;

/** Keys have the same length: the number of the object, and zeros. */
const KEY_BYTES = 8;
const VALUE_BYTES = 4;
const STORED = 1;

export const nameOf = ({ trace, entries }: Baseline): string =>
  `${HIT_RATIO_NAME}/${trace}/${entries}`;

/**
 * The rows of a folder whose trace is there and whose name is wanted, replayed one by one.
 * @param onTrace called with each trace before it is replayed, and how many rows of it will be
 */
export function* replayAll(
  folder: string,
  isWanted: (name: string) => boolean,
  plan: ReplayPlan,
  onTrace: (trace: string, rows: number) => void = () => {},
): Generator<HitRatioOutcome> {
  const rows = readRows(folder).filter((row) => isWanted(nameOf(row)));
  let last: { name: string; ids: Uint32Array | undefined } | undefined;
  for (const row of rows) {
    const { trace, entries } = row;
    if (last?.name !== trace) {
      last = { name: trace, ids: readTrace(folder, trace) };
      if (last.ids) onTrace(trace, rows.filter((other) => other.trace === trace).length);
    }
    if (last.ids === undefined) continue;
    const baselines = baselinesOf(row, last.ids);
    for (const partitions of plan.partitions) {
      if (partitions > 1 && entries < partitions * LEAST_ENTRIES_PER_PARTITION) continue;
      yield { ...replayRow(row, last.ids, plan.policies, partitions), baselines };
    }
  }
}

function baselinesOf(row: Baseline, ids: Uint32Array): Record<string, number> {
  if (row.hitRatios.size > 0) return Object.fromEntries(row.hitRatios);
  return Object.fromEntries(
    Object.entries(TEXTBOOK).map(([name, Policy]) => [
      name,
      simulate(new Policy(row.entries), ids),
    ]),
  );
}

function replayRow(
  row: Baseline,
  ids: Uint32Array,
  policies: readonly Policy[],
  partitions: number,
): Omit<HitRatioOutcome, 'baselines'> {
  const { trace, entries, rows } = row;
  const hitRatios: Partial<Record<Policy, number>> = {};
  let wrong: string | undefined;
  for (const policy of policies) {
    const memoryBytes = 16 * MIB + partitions * BYTES_PER_PARTITION + entries * BYTES_PER_ENTRY;
    if (memoryBytes > MAX_MEMORY_BYTES) {
      wrong ??= `${entries} entries are more than one memory holds`;
      break;
    }
    const arena = Arena.create({
      ...{ memoryBytes, policy, partitions, maxEntries: entries },
      ...{ maxValueBytes: 4096, maxThreads: 1 },
    });
    try {
      const replayed = cacheAside(arena, ids);
      hitRatios[policy] = replayed.hits / ids.length;
      const broken = replayed.wrong ?? arena.checkIntegrity();
      if (broken !== undefined) wrong ??= `${policy}: ${broken}`;
    } finally {
      arena.close();
    }
  }
  const outcome = { name: nameOf(row), trace, entries, rows, accesses: ids.length };
  return { ...outcome, partitions, hitRatios, ...(wrong !== undefined && { wrong }) };
}

/**
 * GET; on a miss SET, by the calls that `Cache` makes, without the making of strings. Every entry
 * has the same size, because the baselines count entries; its value is its number, so that a hit
 * can be checked.
 */
export function cacheAside(
  arena: Arena,
  ids: Uint32Array,
): { hits: number; wrong: string | undefined } {
  const { kernel, slot, request, reply } = arena;
  const key = new Uint32Array(request.buffer, request.byteOffset, (KEY_BYTES + VALUE_BYTES) / 4);
  const found = new Uint32Array(reply.buffer, reply.byteOffset, 1);
  // Nothing expires, so the time need not go on.
  const nowMs = Date.now();
  let hits = 0;
  let wrong: string | undefined;
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!;
    key[0] = id;
    key[1] = 0;
    const length = kernel.getDirect(slot, KEY_BYTES, nowMs);
    if (length >= 0) {
      hits++;
      if (length !== VALUE_BYTES || found[0] !== id) wrong ??= `object ${id} has another's value`;
      continue;
    }
    key[0] = id;
    key[1] = 0;
    key[2] = id;
    const status = kernel.setDirect(slot, KEY_BYTES, VALUE_BYTES, 0, 0, 0, nowMs);
    if (status !== STORED) wrong ??= `object ${id} was not stored: ${status}`;
  }
  return { hits, wrong };
}
