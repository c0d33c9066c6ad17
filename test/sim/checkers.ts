/** What must be so of a simulated cluster when all is mended and quiet; what is wrong as text. */
import { Level } from '#server/cluster/slot-set.js';
import { Service } from '#server/cluster/store.js';
import type { Deed, SimCluster } from './cluster-world.js';
import { slotOfKey } from './memory-store.js';

/** All owners of a key have the same of it. */
export function notConverged(sim: SimCluster): string[] {
  const problems: string[] = [];
  const { up, skewMs } = sim;
  const byId = new Map(up.map((node) => [node.id, node]));
  const { view } = up[0]!.member.cluster;
  // What ends about now has ended by some clocks, and not by others.
  const endedMs = up[0]!.machine.nowMs() + 2 * skewMs;
  for (const key of keysOf(sim)) {
    const owners = view.ownersOf(slotOfKey(key)).map((owner) => view.nodes[owner]!);
    const states = owners.map(({ id, name }) => {
      const entry = byId.get(id)?.entryOf(key);
      if (!entry) return [name, 'nothing'] as const;
      const { value, stamp, expiryMs } = entry;
      if (expiryMs !== 0 && expiryMs <= endedMs) return [name, 'nothing'] as const;
      const text = value instanceof Set ? [...value].sort().join() : value;
      return [name, `${text}@${stamp} until ${expiryMs}`] as const;
    });
    if (new Set(states.map(([, state]) => state)).size === 1) continue;
    problems.push(`${key} differs: ${states.map((pair) => pair.join(' has ')).join(', ')}`);
  }
  return problems;
}

function keysOf(sim: SimCluster): Set<string> {
  return new Set(sim.up.flatMap((node) => [...node.store.entries.keys()]));
}

/**
 * No write acknowledged by a quorum is lost: what a key has in the end must not have been over
 * before such a write began. Of keys that are written by SET and DEL with `quorum` only.
 */
export function lostWrites(sim: SimCluster, isChecked: (key: string) => boolean): string[] {
  const problems: string[] = [];
  const byKey = new Map<string, Deed[]>();
  for (const deed of sim.deeds) {
    const { op, key } = deed.operation;
    if (!isChecked(key) || op === 'get') continue;
    // It found nothing and wrote nothing: a read, and the newest value is not promised to these.
    // But for one that ran twice: it replies what it found the second time.
    if (op === 'del' && deed.result === 0 && !hasRemoved(sim, deed)) continue;
    const deeds = byKey.get(key) ?? [];
    deeds.push(deed);
    byKey.set(key, deeds);
  }
  for (const [key, deeds] of byKey) {
    const value = finalValue(sim, key);
    const last = deeds.filter(({ operation }) =>
      value === undefined
        ? operation.op === 'del'
        : operation.op === 'set' && operation.value === value,
    );
    // Absent from the beginning, or what the last DEL that may have been done left.
    const endedMs = Math.max(value === undefined && last.length === 0 ? 0 : -1, ...last.map(endOf));
    const lost = deeds.find(
      ({ fromMs, toMs, result }) =>
        result !== undefined && toMs !== Number.POSITIVE_INFINITY && fromMs > endedMs,
    );
    if (endedMs < 0) problems.push(`${key} has ${String(value)}, which nobody wrote`);
    else if (lost) {
      const what = JSON.stringify(lost.operation);
      problems.push(
        `${key} has ${String(value)}, over at ${endedMs}, not ${what} of ${lost.fromMs} to ${lost.toMs}`,
      );
    }
  }
  return problems;
}

function hasRemoved(sim: SimCluster, { operation, fromMs, toMs }: Deed): boolean {
  const isOf = (key: string, atMs: number) =>
    key === operation.key && atMs >= fromMs && atMs <= toMs;
  return sim.removals.some(({ key, atMs }) => isOf(key, atMs));
}

/** A write of which nobody knows whether it was done may be done at any time. */
function endOf({ toMs }: Deed): number {
  return toMs;
}

/** What the primary of a key has of it, as GET tells it. */
function foundAt(sim: SimCluster, key: string): unknown {
  const { view } = sim.up[0]!.member.cluster;
  const primary = view.nodes[view.primaryOf(slotOfKey(key))]?.id;
  const value = sim.up.find(({ id }) => id === primary)?.entryOf(key)?.value;
  return value instanceof Set ? [...value].sort() : (value ?? null);
}

function finalValue(sim: SimCluster, key: string): string | undefined {
  const value = foundAt(sim, key);
  return typeof value === 'string' ? value : undefined;
}

/** Every node answers for every key, with what its owners have. */
export async function unreachable(sim: SimCluster): Promise<string[]> {
  const problems: string[] = [];
  const asked = [...keysOf(sim)].flatMap((key) => sim.up.map((node) => ({ key, node })));
  let answered = 0;
  // A request that is lost is not sent again.
  sim.world.network.setProfile({});
  for (const { key, node } of asked) {
    void node.request({ op: 'get', key }, 'none').then(
      (value) => {
        answered++;
        const wanted = foundAt(sim, key);
        // It ends about now, or it does not.
        if (key.startsWith('t')) return;
        const isSame = JSON.stringify(value) === JSON.stringify(wanted);
        if (!isSame) problems.push(`${node.name} says ${key} is ${value}, not ${wanted}`);
      },
      (error) => {
        answered++;
        problems.push(`${node.name} cannot get ${key}: ${error}`);
      },
    );
  }
  await sim.world.runAwaiting(ANSWER_MS);
  if (answered < asked.length) problems.push(`${asked.length - answered} requests have no answer`);
  return problems;
}

/** More than a forwarded request may take. */
const ANSWER_MS = 4_000;

/** What has expired is not served, as far as clocks agree, nor long after its last write. */
export function servedExpired(sim: SimCluster): string[] {
  const written = new Map<unknown, { readonly deed: Deed; readonly ttlMs: number }>();
  for (const deed of sim.deeds) {
    const { operation } = deed;
    if (operation.op !== 'set' || operation.ttlMs === undefined) continue;
    written.set(operation.value, { deed, ttlMs: operation.ttlMs });
  }
  const problems: string[] = [];
  for (const { operation, fromMs, result } of sim.deeds) {
    if (operation.op !== 'get') continue;
    const write = written.get(result);
    if (!write) continue;
    const { deed, ttlMs } = write;
    // Where nobody knows when it was done, nobody knows when it ends.
    const limitMs = deed.toMs + ttlMs + 2 * sim.skewMs;
    if (fromMs > limitMs) problems.push(`${operation.key} is ${result}, which ended at ${limitMs}`);
  }
  return problems;
}

/** Before anything failed: then the owners that had it were all that there are. */
function isEarly({ fromMs, toMs }: Deed): boolean {
  return toMs - fromMs < EARLY_MS;
}

/** Writes that are asked for once are asked for so long before the first failure. */
const EARLY_MS = 1_000;

/** What was written once, and is with all owners, is there for everyone at all times. */
export function missedReads(sim: SimCluster, isChecked: (key: string) => boolean): string[] {
  const writtenMs = new Map<string, number>();
  const problems: string[] = [];
  for (const deed of sim.deeds) {
    const { operation, fromMs, toMs, result } = deed;
    const { op, key } = operation;
    if (!isChecked(key)) continue;
    if (op === 'set') writtenMs.set(key, isEarly(deed) ? toMs : Number.POSITIVE_INFINITY);
    if (op !== 'get' || result !== null || fromMs < writtenMs.get(key)!) continue;
    problems.push(`${key} is missed at ${fromMs}, written at ${writtenMs.get(key)}`);
  }
  return problems;
}

/** Counters count what was asked for, neither more, nor, where nothing fails, less. */
export function miscounted(sim: SimCluster, isExact: boolean): string[] {
  const problems: string[] = [];
  const asked = new Map<string, Deed[]>();
  for (const deed of sim.deeds) {
    const { op, key } = deed.operation;
    if (op === 'incr') asked.set(key, [...(asked.get(key) ?? []), deed]);
  }
  for (const [key, deeds] of asked) {
    const value = Number(foundAt(sim, key) ?? 0);
    const done = deeds.filter(({ result }) => result !== undefined).length;
    if (value <= deeds.length && (!isExact || value >= done)) continue;
    problems.push(`${key} is ${value} after ${done} of ${deeds.length} increments`);
  }
  return problems;
}

/** Every slot is served by exactly one node, the one that all others send its keys to. */
export function badlyRouted(sim: SimCluster): string[] {
  const problems: string[] = [];
  for (const key of keysOf(sim)) {
    const serving = sim.up.filter((node) => node.store.serviceOf(key) & Service.SERVES);
    const ids = sim.up.map((node) => {
      const { view } = node.member.cluster;
      return view.nodes[view.primaryOf(slotOfKey(key))]?.id;
    });
    if (serving.length === 1 && ids.every((id) => id === serving[0]!.id)) continue;
    problems.push(`${key} is served by ${serving.map(({ name }) => name).join()}, not by ${ids}`);
  }
  return problems;
}

/** Who answers reads, and says that it has everything, has what all owners had once. */
export class CopyWatch {
  readonly problems: string[] = [];
  readonly #sim: SimCluster;
  readonly #writes: readonly Deed[];

  /** @param isChecked keys that are written only once; that has been asked for by now */
  constructor(sim: SimCluster, isChecked: (key: string) => boolean) {
    this.#sim = sim;
    this.#writes = sim.deeds.filter(({ operation }) => isChecked(operation.key));
    this.#look();
  }

  #look(): void {
    const { up, world } = this.#sim;
    for (const { name, store, member } of up) {
      for (const deed of this.#writes) {
        const { operation, result } = deed;
        const { key } = operation;
        const isFull = member.cluster.levels.of(slotOfKey(key)) === Level.FULL;
        if (result !== 1 || !isEarly(deed) || !isFull || (store.serviceOf(key) & ANSWERS) === 0)
          continue;
        if (!store.entryOf(key)) this.problems.push(`${name} lacks ${key} at ${world.nowMs}`);
      }
    }
    if (this.problems.length === 0) world.after(LOOK_MS, () => this.#look());
  }
}

const ANSWERS = Service.SERVES | Service.REPLICA;
/** Shorter than messages take to mend anything. */
const LOOK_MS = 20;
