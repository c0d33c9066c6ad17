/**
 * Clusters with data in a simulated world, through all that may happen to them. SIM_SEEDS=1000 runs
 * more of each scenario, SIM_SEED one again.
 */
import { expect, it } from 'vitest';
import * as scenarios from './cluster-scenarios.js';
import { SimCluster } from './cluster-world.js';
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

/** Seeds that failed once, each for a reason of its own. */
const FAILED: readonly [string, scenarios.ClusterScenario, readonly number[]][] = [
  [
    'a node that had nothing served what only dead nodes had',
    scenarios.splitsInJoins,
    [43, 56, 63],
  ],
];

it.each(FAILED)('no more: %s', { timeout: LONG_MS }, async (_, run, seeds) => {
  for (const seed of seeds) expect(await run(seed)).toEqual([]);
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
