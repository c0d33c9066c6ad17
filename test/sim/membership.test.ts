/**
 * Clusters of membership in a simulated world, through all that may happen to them. Without
 * settings each scenario has its usual number of seeds; SIM_SEEDS=10000 runs more of each, SIM_SEED
 * one again.
 */
import { describe, expect, it } from 'vitest';
import { Cluster } from '#bench/sim/cluster.js';
import { LAN } from '#server/cluster/membership/presets.js';
import * as scenarios from './scenarios.js';
import { failuresOf, seedsOf } from './seeds.js';

/** SIM_SEEDS=10000 takes minutes. */
const LONG_MS = 3_600_000;

const SCENARIOS: readonly [string, scenarios.Scenario, number][] = [
  ['all who join are known to all', scenarios.joins, 50],
  ['who crashes is soon known dead, and nobody else', scenarios.crash, 50],
  ['the sides of a split network agree, and all when it heals', scenarios.split, 50],
  ['a link that is dead in one direction kills nobody', scenarios.oneWay, 50],
  ['who was paused is called dead, calls nobody dead, and returns', scenarios.pause, 50],
  ['who was paused itself believes nothing of that time', scenarios.stall, 50],
  ['who restarts is known by its new id', scenarios.restart, 50],
  ['who leaves is not called dead', scenarios.leave, 50],
  ['with a fifth of all messages lost they agree', scenarios.loss, 50],
  ['after everything at once they agree', scenarios.chaos, 200],
];

it.each(SCENARIOS)('%s', { timeout: LONG_MS }, (_, run, usual) => {
  expect(failuresOf(seedsOf(usual), run)).toEqual([]);
});

/** One in so many hours of a node may be called dead wrongly, on so bad a network. */
const HOURS_PER_FALSE_DEATH = 1;

it('nobody is called dead for slow links and stalls of half a second', { timeout: LONG_MS }, () => {
  const seeds = seedsOf(50);
  const hours = (seeds.length * 5 * scenarios.STEADY_MS) / 3_600_000;
  const found = failuresOf(seeds, (seed) => scenarios.falseDeaths(seed).slice(0, 1));
  expect(found.slice(Math.floor(hours / HOURS_PER_FALSE_DEATH))).toEqual([]);
});

describe('a planted bug is found:', () => {
  const found = (run: scenarios.Scenario, plan: scenarios.Plan): string[] =>
    failuresOf(
      Array.from({ length: 20 }, (_, i) => i + 1),
      (seed) => run(seed, plan),
    );
  const never = Number.MAX_SAFE_INTEGER;
  const BUGS: readonly [string, scenarios.Scenario, scenarios.Plan, RegExp][] = [
    ['nobody denies it', scenarios.pause, { bug: 'no-refute' }, /no agreement/],
    ['old news is believed', scenarios.chaos, { bug: 'stale-alive' }, / goes back to /],
    ['who leaves says nothing', scenarios.leave, { bug: 'silent-leave' }, / is dead/],
    [
      'nobody asks others to probe',
      scenarios.oneWay,
      { preset: { ...LAN, indirectProbes: 0 } },
      / is suspected/,
    ],
    [
      'suspects have no time',
      scenarios.falseDeaths,
      { preset: { ...LAN, suspicionMinMs: 100 } },
      / is dead/,
    ],
    [
      'the dead are not tried again',
      scenarios.split,
      { preset: { ...LAN, reconnectIntervalMs: 1e9, syncIntervalMs: 1e9, deadGossipMs: 0 } },
      /no agreement/,
    ],
    [
      'a stall goes unseen',
      scenarios.stall,
      { preset: { ...LAN, stallMs: never } },
      / dead as it wakes/,
    ],
    [
      'news is passed on once',
      scenarios.loss,
      { preset: { ...LAN, retransmitFactor: 0, syncIntervalMs: 1e9 } },
      /no agreement/,
    ],
  ];

  it.each(BUGS)('%s', (_, run, plan, text) => {
    expect(found(run, plan).join('\n')).toMatch(text);
  });
});

it('a world is the same again for the same seed, and another for another', () => {
  const digestOf = (seed: number): number => {
    const cluster = new Cluster({ seed, nodes: 5, link: { loss: 0.1, jitterMs: 5 } });
    cluster.start();
    cluster.world.run(5000);
    return cluster.world.digest;
  };
  expect(digestOf(1)).toBe(digestOf(1));
  expect(digestOf(1)).not.toBe(digestOf(2));
});
