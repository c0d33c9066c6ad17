/**
 * Clusters with data in a simulated world, through all that may happen to them. SIM_SEEDS=1000 runs
 * more of each scenario, SIM_SEED one again.
 */
import { expect, it } from 'vitest';
import * as scenarios from './cluster-scenarios.js';
import { seedsOf } from './seeds.js';

/** SIM_SEEDS=1000 takes an hour. */
const LONG_MS = 7_200_000;

const SCENARIOS: readonly [string, scenarios.ClusterScenario, number][] = [
  ['without failures', scenarios.quiet, 20],
  ['nodes crash and come back', scenarios.crashes, 20],
  ['a node crashes for good', scenarios.replaced, 20],
  ['the network splits', scenarios.splits, 20],
  ['a link is cut one way', scenarios.oneWayCuts, 20],
  ['a node is paused', scenarios.pauses, 20],
  ['links are bad', scenarios.badLinks, 20],
  ['a node joins', scenarios.joins, 20],
  ['a node leaves', scenarios.leaves, 20],
  ['everything at once', scenarios.chaos, 30],
];

it.each(SCENARIOS)('%s', { timeout: LONG_MS }, async (_, run, usual) => {
  const problems: string[] = [];
  for (const seed of seedsOf(usual)) {
    const found = await run(seed);
    if (found.length > 0) problems.push(`SIM_SEED=${seed}: ${found.slice(0, 3).join('; ')}`);
  }
  expect(problems).toEqual([]);
});
