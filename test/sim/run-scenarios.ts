/** Runs the scenarios of clusters with data, each with many seeds. */
import { expect, it } from 'vitest';
import type { ClusterScenario } from './cluster-scenarios.js';
import { seedsOf } from './seeds.js';

/** Half a second for each seed of a scenario. */
export const LONG_MS = 7_200_000;

/** Each does something else with each seed; this many see most of what there is. */
const USUAL = 10;

export function runScenarios(scenarios: readonly [string, ClusterScenario][]): void {
  it.each(scenarios)('%s', { timeout: LONG_MS }, async (_, run) => {
    const problems: string[] = [];
    for (const seed of seedsOf(USUAL)) {
      const found = await run(seed);
      if (found.length > 0) problems.push(`SIM_SEED=${seed}: ${found.slice(0, 3).join('; ')}`);
    }
    expect(problems).toEqual([]);
  });
}
