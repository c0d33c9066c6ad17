/** What must be so of a simulated cluster when all is mended and quiet; what is wrong as text. */
import { Service } from '#server/cluster/store.js';
import type { Deed, SimCluster } from './cluster-world.js';
import { slotOfKey } from './memory-store.js';

/** All owners of a key have the same of it. */
export function notConverged(sim: SimCluster): string[] {
  const problems: string[] = [];
  const { up } = sim;
  const byId = new Map(up.map((node) => [node.id, node]));
  const { view } = up[0]!.member.cluster;
  for (const key of keysOf(sim)) {
    const owners = view.ownersOf(slotOfKey(key)).map((owner) => view.nodes[owner]!);
    const states = owners.map(({ id, name }) => {
      const entry = byId.get(id)?.entryOf(key);
      if (!entry) return [name, 'nothing'] as const;
      const { value, stamp } = entry;
      return [name, `${value instanceof Set ? [...value].sort().join() : value}@${stamp}`] as const;
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

/** A write of which nobody knows whether it was done may be done at any time. */
function endOf({ toMs }: Deed): number {
  return toMs;
}

function finalValue(sim: SimCluster, key: string): string | undefined {
  const { view } = sim.up[0]!.member.cluster;
  const primary = view.nodes[view.primaryOf(slotOfKey(key))]?.id;
  const value = sim.up.find(({ id }) => id === primary)?.entryOf(key)?.value;
  return typeof value === 'string' ? value : undefined;
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
