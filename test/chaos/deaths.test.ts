/**
 * A thread dies between any two steps of the kernel (../support/chaos-deaths.ts): nothing stays
 * locked, no value is torn, every structure is whole, and every key of other partitions is there.
 * CHAOS_SECONDS: every step of long operations, too, and more deaths within recoveries.
 */
import { describe, expect, test } from 'vitest';
import { APPLY_OPERATIONS } from '../support/chaos-apply.js';
import { COLLECTION_OPERATIONS } from '../support/chaos-collections.js';
import {
  type DeathPlan,
  Deaths,
  FRESH,
  type Key,
  NEW,
  NOW_MS,
  OLD,
  type Operation,
} from '../support/chaos-deaths.js';
import { DeathReader } from '../support/chaos-reader.js';
import { dieOf, type PlannedOperation } from '../support/chaos-run.js';
import { SEVERAL_OPERATIONS } from '../support/chaos-several.js';
import { SPACE_OPERATIONS } from '../support/chaos-spaces.js';
import { WHOLE_OPERATIONS } from '../support/chaos-whole.js';
import { Random } from '../support/fuzz-random.mjs';
import { compileKernel, type Edit } from '../support/hammer-kernel.js';
import { KIB } from '../support/kernel-memory.js';

const TIGHT: DeathPlan = {
  memoryBytes: 1000 * KIB,
  partitions: 2,
  policy: 'clock',
  fill: [3000, 300],
};
/** The table splits at 9,984 entries of one partition. */
const CROWDED: DeathPlan = {
  memoryBytes: 2000 * KIB,
  partitions: 1,
  policy: 'none',
  fill: [9984 - FRESH, 8],
};

const MOST = 40;
/** Evicts by numbers. Keys are gone and come again a dozen times, so each has stale records; all were used. */

const staleRecords = (policy: 'clock' | 'lru'): PlannedOperation => ({
  plan: { memoryBytes: 2000 * KIB, partitions: 1, policy, maxEntries: MOST, fill: [MOST - 16, 8] },
  prepare: ({ survivor, keys }) => {
    for (let i = 0; i < 12; i++) {
      for (const key of keys.slice(0, FRESH)) {
        survivor.delete(key);
        survivor.set(key, OLD, 20);
      }
    }
    for (const key of keys) survivor.look(key);
  },
  run: set(FRESH, 60),
  touches: [FRESH],
  evicts: true,
  // An entry that no record leads to would outlast all others.
  verify: ({ survivor, keys }) => {
    for (let i = 0; i < 4 * MOST; i++) survivor.set(named(keys, `newer ${i}`), NEW, 20);
    const left = keys.filter((key) => survivor.look(key) !== 0).map(({ number }) => number);
    if (left.length > 0) throw new Error(`keys ${left} cannot be evicted`);
  },
});

const GET = 0x10;
const EXPIRE = 0x14;
const PERSIST = 0x16;
const GETV = 0x18;
const INCR = 0x19;

const set =
  (key: number, length: number, ttlMs = 0): Operation['run'] =>
  (mortal, deaths) => {
    mortal.set(deaths.keys[key]!, NEW, length, ttlMs);
  };

/** A key that is nobody's. */
const named = ([any]: readonly Key[], name: string): Key => ({ ...any!, bytes: Buffer.from(name) });

/** In whole pages, filled without a lock (draft.ts). */
const setByDraft =
  (key: number, length: number, ttlMs = 0): Operation['run'] =>
  (mortal, deaths) => {
    mortal.setByDraft(deaths.keys[key]!, NEW, length, ttlMs);
  };

/** Prepared so that the entry has an expiry, which is not to be seen. */
const withExpiry = (key: number, length: number) => (deaths: Deaths) => {
  deaths.survivor.set(deaths.keys[key]!, 1, length, 10_000);
};

const withVersion = (key: number) => (deaths: Deaths) => {
  deaths.survivor.command(GETV, deaths.keys[key]!);
};

const command =
  (code: number, key: number, argument?: number): Operation['run'] =>
  (mortal, deaths) => {
    mortal.command(code, deaths.keys[key]!, argument);
  };

const reader = new DeathReader();

/** The same with a reader of the change log in the thread that survives. */
const logged = (operation: Operation): Operation => ({
  ...operation,
  prepare: (deaths) => {
    operation.prepare?.(deaths);
    reader.attach(deaths);
  },
  verify: (deaths) => reader.verify(deaths),
});

/** Attaches a reader, and detaches it. */
const readShortly: Operation['run'] = ({ arena }) => {
  arena.kernel.attachLog(arena.slot, 2, NOW_MS);
  arena.kernel.detachLog(arena.slot);
};

const OPERATIONS: Record<string, PlannedOperation> = {
  'SET of the same length': { run: set(3, 100), touches: [3] },
  'SET of the same length, with a version': {
    prepare: withVersion(3),
    run: set(3, 100),
    touches: [3],
  },
  'SET of the same class': { run: set(5, 995), touches: [5] },
  'SET of another class': { run: set(1, 700), touches: [1] },
  'SET of a chain instead of a chunk': { run: set(3, 20_000), touches: [3] },
  'SET of a chunk instead of a chain': { run: set(8, 30), touches: [8] },
  'SET of a chain instead of a chain': { run: set(9, 12_000), touches: [9] },
  'SET of a new key': { run: set(FRESH, 60), touches: [FRESH] },
  'SET of a new key that takes a page': { run: set(FRESH, 2000), touches: [FRESH] },
  'SET of a new key with a chain': { run: set(FRESH + 1, 20_000), touches: [FRESH + 1] },
  'SET of a new long key with a chain': { run: set(FRESH + 3, 9000), touches: [FRESH + 3] },
  'SET with a TTL': { run: set(2, 40, 5000), touches: [2] },
  'DEL of a chunk': { run: (m, d) => m.delete(d.keys[10]!), touches: [10] },
  'DEL of a page': { run: (m, d) => m.delete(d.keys[7]!), touches: [7] },
  'DEL of a chain': { run: (m, d) => m.delete(d.keys[9]!), touches: [9] },
  'EXPIRE of an entry that grows': { run: command(EXPIRE, 2, 7000), touches: [2] },
  'EXPIRE of an entry that stays': {
    prepare: withExpiry(2, 40),
    run: command(EXPIRE, 2, 7000),
    touches: [2],
  },
  'EXPIRE of a chain': { run: command(EXPIRE, 8, 7000), touches: [8] },
  PERSIST: { prepare: withExpiry(4, 300), run: command(PERSIST, 4), touches: [4] },
  GETV: { run: command(GETV, 3), touches: [3] },
  'INCR of nothing, twice': {
    run: (mortal, { counter }) => {
      mortal.command(INCR, counter, 5);
      mortal.command(INCR, counter, 300);
    },
  },
  GET: { run: command(GET, 4) },
  'GET of an expired key': {
    run: ({ arena, request }, { keys }) => {
      const key = keys[4]!;
      request.set(key.bytes);
      arena.kernel.getDirect(arena.slot, key.bytes.length, NOW_MS + 20_000);
    },
    prepare: withExpiry(4, 300),
    touches: [4],
  },
  'SET that evicts': { plan: TIGHT, run: set(FRESH, 300), touches: [FRESH], evicts: true },
  'SET that takes a page from another class': {
    plan: TIGHT,
    run: set(FRESH, 4000),
    touches: [FRESH],
    evicts: true,
  },
  'SET that evicts for a chain': {
    plan: TIGHT,
    run: set(FRESH + 1, 20_000),
    touches: [FRESH + 1],
    evicts: true,
  },
  'SET that evicts beside stale records': staleRecords('clock'),
  'SET that evicts beside stale records, lru': staleRecords('lru'),
  'SET of a draft': { run: setByDraft(FRESH, 140_000), touches: [FRESH] },
  'SET of a draft with a long key, and a TTL': {
    run: setByDraft(FRESH + 3, 130_000, 5000),
    touches: [FRESH + 3],
  },
  'SET of a draft instead of a chain': { run: setByDraft(8, 140_000), touches: [8] },
  'SET of a chunk instead of a draft': {
    prepare: ({ survivor, keys }) => survivor.setByDraft(keys[4]!, OLD, 140_000),
    run: set(4, 100),
    touches: [4],
  },
  'SET of a draft that evicts': {
    plan: TIGHT,
    run: setByDraft(FRESH, 140_000),
    touches: [FRESH],
    evicts: true,
  },
  'a draft that is given up': { run: (m, d) => m.dropDraft(d.keys[FRESH]!, 140_000) },
  'SET of a draft, logged': logged({ run: setByDraft(FRESH, 140_000), touches: [FRESH] }),
  'SET that splits a segment': { plan: CROWDED, run: set(FRESH, 60), touches: [FRESH] },
  clear: { run: ({ arena }) => arena.clear(), touches: Array.from({ length: FRESH }, (_, i) => i) },
  'SET of the same length, logged': logged({ run: set(3, 100), touches: [3] }),
  'SET of a new key with a chain, logged': logged({
    run: set(FRESH + 1, 20_000),
    touches: [FRESH + 1],
  }),
  'DEL of a chain with a long key, logged': logged({
    run: (m, d) => m.delete(d.keys[9]!),
    touches: [9],
  }),
  'EXPIRE, logged': logged({ run: command(EXPIRE, 2, 7000), touches: [2] }),
  'SETs of which the log drops the first, logged': logged({
    run: (mortal, { keys }) => {
      for (let i = 0; i < 14; i++) mortal.set(keys[7]!, NEW, 8000);
    },
    touches: [7],
  }),
  'clear, logged': logged({
    run: ({ arena }) => arena.clear(),
    touches: Array.from({ length: FRESH }, (_, i) => i),
  }),
  'attaching a first reader': { run: readShortly },
  'attaching a first reader, which takes evicting': {
    plan: TIGHT,
    run: readShortly,
    evicts: true,
  },
  'attaching a second reader': logged({ run: readShortly }),
  checkIntegrity: {
    run: ({ arena }) => arena.checkIntegrity(),
    verify: ({ survivor }) => {
      const { partitionsEmptied } = survivor.arena.stats();
      if (partitionsEmptied > 0) throw new Error(`${partitionsEmptied} partitions were emptied`);
    },
  },
  reapThreads: { run: ({ arena }) => arena.reapThreads() },
  ...SPACE_OPERATIONS,
  ...SEVERAL_OPERATIONS,
  ...COLLECTION_OPERATIONS,
  ...APPLY_OPERATIONS,
  ...WHOLE_OPERATIONS,
};

/** A read takes no lock where nobody disturbs it, and where nobody has died nothing is to be done. */
const LOCKS_NOTHING = ['GET', 'reapThreads', 'MGET of what is there'];

const SEED = 11;
const EVERYWHERE = /\.ts$/;
const NOWHERE = /^$/;

describe('death at any step of', async () => {
  const interrupted = await compileKernel(EVERYWHERE);

  test.each(Object.keys(OPERATIONS))('%s', { timeout: 600_000 }, (name) => {
    const { held, kept, emptied } = dieOf(OPERATIONS[name]!, { interrupted }, SEED);
    expect(held + kept + emptied).toBeGreaterThan(LOCKS_NOTHING.includes(name) ? -1 : 40);
  });
});

test('a draft that is being given back for the dead is no broken one', async () => {
  const interrupted = await compileKernel(EVERYWHERE);
  const other = await compileKernel(NOWHERE);
  const plan: DeathPlan = { memoryBytes: 2400 * KIB, partitions: 2, policy: 'none' };
  const deaths = new Deaths({ interrupted, other }, plan, SEED);
  const operation = OPERATIONS['SET of a draft']!;
  const steps = deaths.countSteps(operation);
  const random = new Random(SEED);
  let checks = 0;
  for (let i = 0; i < 100; i++) checks += deaths.dieWatched(operation, random.between(1, steps));
  expect(checks).toBeGreaterThan(200);
});

interface Canary extends Edit {
  readonly operation: string;
  /** What is said of it. */
  readonly words: RegExp;
}

/** Ways to break what is done about a death. */
const CANARIES: Record<string, Canary> = {
  'a partition is left as it is': {
    file: 'recovery.ts',
    from: 'if (broken != 0 && broken != BROKEN_RECORDS) return false;',
    to: '',
    operation: 'SET of another class',
    words: /integrity after/,
  },
  'an overwritten value is left as it is': {
    file: 'recovery.ts',
    from: 'if (torn) {',
    to: 'if (false) {',
    operation: 'SET of the same length',
    words: /torn value/,
  },
  'pages are not counted': {
    file: 'recovery.ts',
    from: 'hasItsPages(partition) ? checkPartition(partition) : BROKEN_PAGE_TOTAL',
    to: 'checkPartition(partition)',
    operation: 'SET of a new key that takes a page',
    words: /BROKEN_PAGE_TOTAL/,
  },
  'a draft stays what it was': {
    file: 'slots.ts',
    from: '  recoverDraft(slot);',
    to: '  0;',
    operation: 'SET of a draft',
    words: /BROKEN_DRAFT|BROKEN_PAGE_TOTAL/,
  },
  'a draft is found by its chain only': {
    file: 'draft.ts',
    from: 'if (isDraftOf(page, slot)) givePage(page);',
    to: 'if (page == pageOf(block.draftLast)) givePage(page);',
    operation: 'SET of a draft',
    words: /BROKEN_DRAFT|BROKEN_PAGE_TOTAL|BROKEN_PAGE_INFO/,
  },
  'pages that went astray stay there': {
    file: 'pages.ts',
    from: '== PAGE_FREE && pageInfo(page).previous == 0) givePage(page);',
    to: '== 99) givePage(page);',
    operation: 'SET of a new key that takes a page',
    words: /BROKEN_PAGE_TOTAL/,
  },
  'records are not made anew': {
    file: 'recovery.ts',
    from: 'return !mayEvict() || requeue(partition);',
    to: 'return true;',
    operation: 'SET that evicts beside stale records',
    words: /cannot be evicted|BROKEN_RECORDS/,
  },
  'a tombstone is not counted': {
    file: 'tombstones.ts',
    from: '  if (isAdded) partition.tombstones += 1;',
    to: '',
    operation: 'applying records',
    words: /BROKEN_TOMBSTONES|is not buried/,
  },
  'what was pending stays': {
    file: 'recovery.ts',
    from: '    dropPending(partition);',
    to: '    0;',
    operation: 'MSET where nothing is evicted',
    words: /BROKEN_PIN/,
  },
  'a holder that only reads is taken for a writer': {
    file: 'recovery.ts',
    from: 'if (!mayHaveWritten) return;',
    to: 'if (!mayHaveWritten) partition.recovery = 2;',
    operation: 'checkIntegrity',
    words: /has 0 instead of 1|were emptied/,
  },
};

test.each(Object.entries(CANARIES))(
  'canary: %s',
  { timeout: 600_000 },
  async (_name, { operation, words, ...edit }) => {
    const interrupted = await compileKernel(EVERYWHERE, [edit]);
    const other = await compileKernel(NOWHERE, [edit]);
    expect(() => dieOf(OPERATIONS[operation]!, { interrupted, other }, SEED)).toThrow(words);
  },
);
