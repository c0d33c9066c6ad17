/** Faults planted into the cluster's logic, each of which the simulation must find. */
import { describe, expect, it } from 'vitest';
import type { ClusterBug } from '#server/cluster/cluster-world.js';
import * as scenarios from './cluster-scenarios.js';
import type { StoreBug } from './memory-store.js';

/** As much as the slowest of them needs on a busy machine. */
const LONG_MS = 600_000;

describe('a planted bug is found:', () => {
  const NEVER_MS = 1e9;
  /** Repair would mend what others have spoilt. */
  const noRepair = { repairIntervalMs: NEVER_MS };
  const lossy = { loss: 0.1, jitterMs: 1, spikes: 0.02, spikeMs: 60 };
  const SEEDS = 30;

  type Row = [ClusterBug, scenarios.ClusterScenario, scenarios.ClusterPlan, RegExp, number?];
  /** The last: the seed to begin with, for those that few seeds find. */
  const BUGS: readonly Row[] = [
    ['refusals-count', scenarios.pauses, {}, / over at /, 3],
    ['no-recovery-scan', scenarios.splits, { cluster: noRepair }, / differs: /],
    ['any-order', scenarios.badLinks, { cluster: noRepair }, / differs: /],
    ['no-failure-meeting', scenarios.crashes, { cluster: noRepair, link: lossy }, / differs: /, 8],
    ['full-at-once', scenarios.slowJoins, {}, / missed /, 6],
    ['no-repair', scenarios.damages, {}, / differs: /],
    ['no-owner-meeting', scenarios.meetings, { cluster: noRepair }, / differs: /],
    ['no-resend', scenarios.badLinks, {}, / differs: /],
    ['run-twice', scenarios.badLinks, {}, / increments/],
    ['run-stale', scenarios.pauses, {}, / over at /, 7],
    ['no-reset', scenarios.splits, {}, / over at /, 25],
  ];

  it.each(BUGS)('%s', { timeout: LONG_MS }, async (bug, run, plan, text, first = 1) => {
    let found = '';
    for (let seed = first; seed < first + SEEDS && !text.test(found); seed++) {
      const cluster = { ...plan.cluster, bug };
      found = (await run(seed, { ...plan, cluster })).join('\n');
    }
    expect(found).toMatch(text);
  });

  const STORE_BUGS: readonly [StoreBug, scenarios.ClusterScenario, RegExp][] = [
    ['no-tombstones', scenarios.splits, / differs: | over at /],
    ['last-to-come-wins', scenarios.splits, / differs: | over at /],
    ['effects-without-base', scenarios.splits, / differs: /],
  ];

  it.each(STORE_BUGS)('%s', { timeout: LONG_MS }, async (storeBug, run, text) => {
    let found = '';
    for (let seed = 1; seed <= SEEDS && !text.test(found); seed++) {
      found = (await run(seed, { storeBug, cluster: noRepair })).join('\n');
    }
    expect(found).toMatch(text);
  });
});
