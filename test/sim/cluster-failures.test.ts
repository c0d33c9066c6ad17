/** Clusters with data in a simulated world, through all that may fail. */
import { expect, it } from 'vitest';
import * as scenarios from './cluster-scenarios.js';
import { SimCluster } from './cluster-world.js';
import { LONG_MS, runScenarios } from './run-scenarios.js';

runScenarios([
  ['without failures', scenarios.quiet],
  ['nodes crash and come back', scenarios.crashes],
  ['a node crashes for good', scenarios.replaced],
  ['the network splits for a short time', scenarios.splits],
  ['the network splits for long', scenarios.longSplits],
  ['a link is cut one way', scenarios.oneWayCuts],
  ['a node is paused', scenarios.pauses],
  ['links are bad', scenarios.badLinks],
  ['a node that is alone is to refuse', scenarios.minOwners],
  ['a store loses entries', scenarios.damages],
  ['clocks differ by up to a minute, and drift', scenarios.skews],
]);

/** Seeds that fail where what they are named after is undone. */
const FAILED: readonly [string, scenarios.ClusterScenario, readonly number[]][] = [
  [
    'a node that had nothing served what only dead nodes had',
    scenarios.splitsInJoins,
    [307, 308, 311],
  ],
  ['who had just come asked one with an old state', scenarios.crashesInJoins, [625, 797]],
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
