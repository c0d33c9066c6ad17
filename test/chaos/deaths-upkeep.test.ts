/**
 * Deaths, as in deaths.test.ts, where the kernel loops for long: in upkeep's work on the wheel, the
 * queues and the pages, in eviction by each policy, in a split that must find its page first.
 */
import { describe, expect, test } from 'vitest';
import { POLICIES } from '#engine/arena.js';
import {
  type DeathPlan,
  type Deaths,
  FRESH,
  type Mortal,
  NEW,
  NOW_MS,
  type Operation,
} from '../support/chaos-deaths.js';
import { DeathReader } from '../support/chaos-reader.js';
import { dieOf, type PlannedOperation } from '../support/chaos-run.js';
import { compileKernel } from '../support/hammer-kernel.js';
import { KIB } from '../support/kernel-memory.js';

const TICK_MS = 512;
const GETV = 0x18;

/** Writes or deletes keys that are nobody's. */
function crowd({ arena, request }: Mortal, count: number, bytes: number, ttlMs = 0): void {
  for (let i = 0; i < count; i++) {
    const key = Buffer.from(`one of a crowd ${i}`);
    request.set(key);
    request.fill(1, key.length, key.length + bytes);
    arena.kernel.setDirect(arena.slot, key.length, bytes, ttlMs, 0, 0, NOW_MS);
  }
}

function disperse({ arena, request }: Mortal, first: number, end: number): void {
  for (let i = first; i < end; i++) {
    const key = Buffer.from(`one of a crowd ${i}`);
    request.set(key);
    arena.kernel.deleteDirect(arena.slot, key.length, NOW_MS);
  }
}

/** Upkeep at that time, until it has nothing more to do. */
const keepUp =
  (laterMs: number): Operation['run'] =>
  ({ arena }) => {
    while (arena.kernel.upkeep(arena.slot, NOW_MS + laterMs) === 0);
  };

const ALL_KEYS = Array.from({ length: FRESH }, (_, i) => i);
const ROOMY: DeathPlan = { memoryBytes: 4000 * KIB, partitions: 2, policy: 'none' };

const reader = new DeathReader();
const logged = (operation: PlannedOperation): PlannedOperation => ({
  ...operation,
  prepare: (deaths) => {
    operation.prepare?.(deaths);
    reader.attach(deaths);
  },
  verify: (deaths) => reader.verify(deaths),
});

/** Many entries that expire in the same tick, and those of the keys that are looked at. */
const expiring = (ttlMs: number) => (deaths: Deaths) => {
  crowd(deaths.survivor, 1500, 20, ttlMs);
  for (const key of deaths.keys.slice(0, 6)) deaths.survivor.set(key, 1, 100, ttlMs);
};

const EXPIRY: PlannedOperation = {
  plan: ROOMY,
  prepare: expiring(5000),
  run: keepUp(5000 + 2 * TICK_MS),
  touches: [0, 1, 2, 3, 4, 5],
};

/** Sets and gets until the shadows of the policy `adaptive` have seen a window of them. */
const manyUses: Operation['run'] = (mortal, { keys }) => {
  for (let i = 0; i < 60; i++) {
    mortal.set(keys[FRESH + (i % 3)]!, NEW, 300);
    mortal.look(keys[i % 16]!);
  }
};

const EVICTING = POLICIES.filter((policy) => policy !== 'none');

const OPERATIONS: Record<string, PlannedOperation> = {
  'upkeep that expires a slot of many records': EXPIRY,
  'upkeep that expires a slot of many records, logged': logged(EXPIRY),
  'upkeep that moves records to nearer slots': {
    plan: ROOMY,
    prepare: expiring(200_000),
    run: keepUp(170_000),
  },
  'upkeep after the clock was set back': {
    plan: ROOMY,
    prepare: expiring(30_000),
    run: keepUp(-100_000),
  },
  'upkeep that gives the wheel up': {
    plan: ROOMY,
    prepare: (deaths) => {
      expiring(5000)(deaths);
      disperse(deaths.survivor, 0, 1500);
    },
    run: keepUp(5000 + 2 * TICK_MS),
    touches: [0, 1, 2, 3, 4, 5],
  },
  'upkeep that trims the wheel': {
    plan: ROOMY,
    // Each expiry is nearer than the one before, and takes another record.
    prepare: ({ survivor }) => {
      for (let ttlMs = 300_000; ttlMs > 200_000; ttlMs -= 20_000) crowd(survivor, 700, 20, ttlMs);
      disperse(survivor, 0, 600);
    },
    run: keepUp(0),
  },
  'upkeep that trims queues': {
    plan: { ...ROOMY, policy: 'clock' },
    prepare: ({ survivor }) => {
      crowd(survivor, 2000, 20);
      disperse(survivor, 0, 2000);
      for (let i = 0; i < 3; i++) {
        crowd(survivor, 100, 20);
        disperse(survivor, 0, 100);
      }
    },
    run: keepUp(0),
  },
  'upkeep that vacates pages': {
    plan: ROOMY,
    prepare: ({ survivor }) => {
      crowd(survivor, 3000, 300);
      disperse(survivor, 400, 2600);
    },
    run: keepUp(0),
  },
  'upkeep that vacates pages of chains': {
    plan: ROOMY,
    prepare: ({ survivor }) => {
      crowd(survivor, 80, 20_000);
      disperse(survivor, 10, 75);
    },
    run: keepUp(0),
  },
  'GETV of entries that then fill more than a chunk': {
    prepare: ({ survivor, keys }) => {
      for (let i = 10; i < 16; i++) survivor.set(keys[i]!, 1, 8145 + 4 * (i - 10));
    },
    run: (mortal, { keys }) => {
      for (let i = 10; i < 16; i++) mortal.command(GETV, keys[i]!);
    },
    touches: [10, 11, 12, 13, 14, 15],
  },
  'take of a chain': {
    run: ({ arena, request }, { keys }) => {
      request.set(keys[9]!.bytes);
      arena.kernel.takeDirect(arena.slot, keys[9]!.bytes.length, NOW_MS);
    },
    touches: [9],
  },
  'SET that splits a segment, in a page that something was evicted for': {
    plan: {
      memoryBytes: 1100 * KIB,
      partitions: 1,
      policy: 'clock',
      fill: [9984 - FRESH, 8],
    },
    prepare: ({ survivor }) => {
      for (let i = 0; i < 40; i++) crowd(survivor, 1, 7000 + i);
    },
    run: (mortal, { keys }) => {
      for (const key of keys.slice(FRESH)) mortal.set(key, NEW, 60);
    },
    touches: [FRESH, FRESH + 1, FRESH + 2, FRESH + 3],
    evicts: true,
  },
  ...Object.fromEntries(
    EVICTING.map((policy): [string, PlannedOperation] => [
      `SETs and GETs with the policy ${policy}`,
      {
        plan: { memoryBytes: 1000 * KIB, partitions: 2, policy, fill: [3000, 300] },
        prepare: (deaths) => manyUses(deaths.survivor, deaths),
        run: manyUses,
        touches: [...ALL_KEYS, FRESH, FRESH + 1, FRESH + 2],
        evicts: true,
      },
    ]),
  ),
};

const SEED = 12;
const EVERYWHERE = /\.ts$/;

describe('death at any step of', async () => {
  const interrupted = await compileKernel(EVERYWHERE);

  test.each(Object.keys(OPERATIONS))('%s', { timeout: 600_000 }, (name) => {
    const { held, kept, emptied } = dieOf(OPERATIONS[name]!, { interrupted }, SEED);
    expect(held + kept + emptied).toBeGreaterThan(40);
  });
});
