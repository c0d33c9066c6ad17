/**
 * Clusters with data in a simulated world, through all that may happen to them. SIM_SEEDS=1000 runs
 * more of each scenario, SIM_SEED one again.
 */
import { describe, expect, it } from 'vitest';
import type { ClusterBug } from '#server/cluster/cluster-world.js';
import * as scenarios from './cluster-scenarios.js';
import { SimCluster } from './cluster-world.js';
import type { StoreBug } from './memory-store.js';
import { seedsOf } from './seeds.js';

/** SIM_SEEDS=1000 takes an hour. */
const LONG_MS = 7_200_000;

/** Each does something else with each seed; this many see most of what there is. */
const USUAL = 11;

const SCENARIOS: readonly [string, scenarios.ClusterScenario][] = [
  ['without failures', scenarios.quiet],
  ['nodes crash and come back', scenarios.crashes],
  ['a node crashes for good', scenarios.replaced],
  ['the network splits for a short time', scenarios.splits],
  ['the network splits for long', scenarios.longSplits],
  ['two clusters meet', scenarios.meetings],
  ['a link is cut one way', scenarios.oneWayCuts],
  ['a node is paused', scenarios.pauses],
  ['links are bad', scenarios.badLinks],
  ['a node joins', scenarios.joins],
  ['a node joins, and it takes long', scenarios.slowJoins],
  ['a node crashes while one joins', scenarios.crashesInJoins],
  ['the network splits while a node joins', scenarios.splitsInJoins],
  ['a node leaves', scenarios.leaves],
  ['more is written than the change log holds', scenarios.bursts],
  ['a node that is alone is to refuse', scenarios.minOwners],
  ['clocks differ by up to a minute, and drift', scenarios.skews],
  ['a store loses entries', scenarios.damages],
  ['everything at once', scenarios.chaos],
];

it.each(SCENARIOS)('%s', { timeout: LONG_MS }, async (_, run) => {
  const problems: string[] = [];
  for (const seed of seedsOf(USUAL)) {
    const found = await run(seed);
    if (found.length > 0) problems.push(`SIM_SEED=${seed}: ${found.slice(0, 3).join('; ')}`);
  }
  expect(problems).toEqual([]);
});

describe('a planted bug is found:', () => {
  const NEVER_MS = 1e9;
  /** Repair would mend what others have spoilt. */
  const noRepair = { repairIntervalMs: NEVER_MS };
  const lossy = { loss: 0.1, jitterMs: 1, spikes: 0.02, spikeMs: 60 };
  const SEEDS = 30;

  const BUGS: readonly [ClusterBug, scenarios.ClusterScenario, scenarios.ClusterPlan, RegExp][] = [
    ['refusals-count', scenarios.pauses, {}, / over at /],
    ['no-recovery-scan', scenarios.splits, { cluster: noRepair }, / differs: /],
    ['any-order', scenarios.badLinks, { cluster: noRepair }, / differs: /],
    ['no-failure-meeting', scenarios.crashes, { cluster: noRepair, link: lossy }, / differs: /],
    ['full-at-once', scenarios.slowJoins, {}, / missed /],
    ['no-repair', scenarios.damages, {}, / differs: /],
    ['no-owner-meeting', scenarios.meetings, { cluster: noRepair }, / differs: /],
    ['no-resend', scenarios.badLinks, {}, / differs: /],
    ['run-twice', scenarios.badLinks, {}, / increments/],
  ];

  it.each(BUGS)('%s', { timeout: LONG_MS }, async (bug, run, plan, text) => {
    let found = '';
    for (let seed = 1; seed <= SEEDS && !text.test(found); seed++) {
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

it('a cluster does the same again for the same seed', async () => {
  const digests: number[] = [];
  for (let i = 0; i < 2; i++) {
    const sim = new SimCluster({ seed: 7, nodes: 3, link: { loss: 0.05, jitterMs: 3 } });
    sim.start();
    await sim.world.runAwaiting(3_000);
    digests.push(sim.world.digest);
  }
  expect(digests[0]).toBe(digests[1]);
});
