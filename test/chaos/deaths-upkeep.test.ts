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
  type Key,
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
/** 15/16 of its slots: then something must give way for a page to split into. */
const MOST_IN_SEGMENT = 11_520;
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

/** @param spared of so many, one stays */
function disperse({ arena, request }: Mortal, first: number, end: number, spared = Infinity): void {
  for (let i = first; i < end; i++) {
    if (i % spared === spared - 1) continue;
    const key = Buffer.from(`one of a crowd ${i}`);
    request.set(key);
    arena.kernel.deleteDirect(arena.slot, key.length, NOW_MS);
  }
}

/** A key that is nobody's. */
const named = ([any]: readonly Key[], name: string): Key => ({ ...any!, bytes: Buffer.from(name) });

/** Upkeep at that time, until it has nothing more to do. */
const keepUp =
  (laterMs: number): Operation['run'] =>
  ({ arena }) => {
    while (arena.kernel.upkeep(arena.slot, NOW_MS + laterMs) === 0);
  };

const ROOMY: DeathPlan = { memoryBytes: 4000 * KIB, partitions: 2, policy: 'none' };
/** So many partitions that each thread owns one: others leave it alone while it is not overdue. */
const SHARED: DeathPlan = { memoryBytes: 8000 * KIB, partitions: 4, policy: 'none' };

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

/** New entries, each of which takes another one's place, and uses of some that are there. */
const manyUses: Operation['run'] = (mortal, { keys }) => {
  for (const key of keys.slice(FRESH)) mortal.set(key, NEW, 300);
  for (const key of keys) mortal.look(key);
  crowd(mortal, 12, 300);
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
    plan: SHARED,
    // Each expiry is nearer than the one before, and takes another record.
    prepare: ({ survivor }) => {
      for (let ttlMs = 300_000; ttlMs > 200_000; ttlMs -= 20_000) crowd(survivor, 1400, 20, ttlMs);
      disperse(survivor, 0, 1200);
    },
    run: keepUp(0),
  },
  'upkeep that trims queues': {
    plan: { ...SHARED, policy: 'clock' },
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
    plan: SHARED,
    prepare: ({ survivor }) => {
      crowd(survivor, 5000, 300);
      disperse(survivor, 0, 5000, 5);
    },
    run: keepUp(0),
  },
  'upkeep that vacates pages of chains': {
    plan: SHARED,
    prepare: ({ survivor }) => {
      crowd(survivor, 160, 20_000);
      disperse(survivor, 0, 160, 4);
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
    plan: { memoryBytes: 1800 * KIB, partitions: 1, policy: 'clock' },
    // Large ones first, which take all pages: no page is left when the table would have split.
    prepare: ({ survivor, keys }) => {
      for (let i = 0; i < 250; i++) survivor.set(named(keys, `large ${i}`), 1, 7000);
      crowd(survivor, 11_000, 8);
      const { arena } = survivor;
      for (let i = 0; arena.stats().entries < MOST_IN_SEGMENT; i++) {
        survivor.set(named(keys, `small ${i}`), 1, 20);
      }
      if (arena.stats().tableSplits > 0) throw new Error('it has split already');
    },
    run: (mortal, { keys }) => {
      for (const key of keys.slice(FRESH)) mortal.set(key, NEW, 60);
      for (let i = 0; i < 40; i++) mortal.set(named(keys, `more ${i}`), 1, 20);
    },
    touches: [FRESH, FRESH + 1, FRESH + 2, FRESH + 3],
    evicts: true,
  },
  ...Object.fromEntries(
    EVICTING.map((policy): [string, PlannedOperation] => [
      `SETs and GETs with the policy ${policy}`,
      {
        plan: { memoryBytes: 1000 * KIB, partitions: 2, policy, fill: [3000, 300] },
        run: manyUses,
        touches: [FRESH, FRESH + 1, FRESH + 2, FRESH + 3],
        evicts: true,
      },
    ]),
  ),
};

const SEED = 12;
const EVERYWHERE = /\.ts$/;
const NOWHERE = /^$/;

describe('death at any step of', async () => {
  const interrupted = await compileKernel(EVERYWHERE);

  test.each(Object.keys(OPERATIONS))('%s', { timeout: 600_000 }, (name) => {
    const { held, kept, emptied } = dieOf(OPERATIONS[name]!, { interrupted }, SEED);
    expect(held + kept + emptied).toBeGreaterThan(40);
  });
});

/** What has died in the midst of these is damaged: left as it is, the checks must say so. */
const DAMAGING = [
  'upkeep that expires a slot of many records',
  'upkeep that moves records to nearer slots',
  'upkeep that trims the wheel',
  'upkeep that trims queues',
  'upkeep that vacates pages',
  'SETs and GETs with the policy lru',
];

describe('canary: nothing is done about a death in', async () => {
  const edit = {
    file: 'recovery.ts',
    from: 'return false;\n  dropReserved(partition);\n  if (torn)',
    to: '0;\n  dropReserved(partition);\n  if (torn)',
  };
  const interrupted = await compileKernel(EVERYWHERE, [edit]);
  const other = await compileKernel(NOWHERE, [edit]);

  test.each(DAMAGING)('%s', { timeout: 600_000 }, (name) => {
    expect(() => dieOf(OPERATIONS[name]!, { interrupted, other }, SEED)).toThrow(/integrity after/);
  });
});
