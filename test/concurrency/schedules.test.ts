/**
 * One thread is interrupted between any two steps of the kernel, and another one does something
 * there: see ../support/hammer-schedules.ts. HAMMER_SECONDS runs each longer; HAMMER_SEED repeats
 * a failure exactly.
 */
import { describe, expect, test } from 'vitest';
import { freshSeed } from '../support/fuzz-random.mjs';
import { compileKernel, type Edit } from '../support/hammer-kernel.js';
import { type Kernels, type SchedulePlan, Schedules } from '../support/hammer-schedules.js';

const KIB = 1024;
const OPERATIONS = 100;
/** Arenas of the default run, one seed each. */
const ARENAS = 8;
/** Arenas within which a broken kernel must have been found out. */
const CANARY_ARENAS = 400;

const PLANS: Record<string, SchedulePlan> = {
  'little memory, 1 partition': { memoryBytes: 900 * KIB, partitions: 1, policy: 'clock' },
  'little memory, 4 partitions': { memoryBytes: 1600 * KIB, partitions: 4, policy: 'clock' },
  'little memory, refusing': { memoryBytes: 1600 * KIB, partitions: 2, policy: 'none' },
  'ample memory': { memoryBytes: 32_000 * KIB, partitions: 1, policy: 'none' },
  maxEntries: { memoryBytes: 8000 * KIB, partitions: 2, policy: 'clock', maxEntries: 40 },
};

const EVERYWHERE = /\.ts$/;
/**
 * Where atomic operations follow each other: the windows that are rarely hit among thousands of
 * others.
 */
const AT_ATOMICS = /\/(lock|pages)\.ts$/;
const NOWHERE = /^$/;

interface Canary extends Edit {
  /** What is said of it. */
  words: RegExp;
  yieldsIn: RegExp;
  plan: string;
}

/** Ways to break the kernel that threads of the system hardly ever notice. */
const CANARIES: Record<string, Canary> = {
  'readers do not look at the version again': {
    file: 'lock.ts',
    from: 'return atomic.load<u64>(wordAddress(partition)) == word;',
    to: 'return true;',
    // What is read of an entry that is gone may have no byte at all, or end anywhere: the reply
    // behind it is then misread.
    words: /torn value|saw|begins with byte undefined|replied|SET: /,
    yieldsIn: EVERYWHERE,
    plan: 'little memory, 4 partitions',
  },
  'writers trust a slot that was found before': {
    file: 'read.ts',
    from: 'if (address != 0 && isLive && keyIs(address, staged.key, staged.keyWord)) return slot;',
    to: 'if (address != 0 && isLive) return slot;',
    words: /integrity|torn value|saw|unreachable|out of bounds/,
    yieldsIn: EVERYWHERE,
    plan: 'little memory, 4 partitions',
  },
  'a key that is not found is taken to be absent': {
    file: 'read.ts',
    from: `found = copyOnce(out, limit, hash, key, keyWord, nowMs);
    if (!readIsValid(partition, word))`,
    to: `found = copyOnce(out, limit, hash, key, keyWord, nowMs);
    if (found != ABSENT && !readIsValid(partition, word))`,
    words: /saw 0, it had only/,
    yieldsIn: EVERYWHERE,
    plan: 'ample memory',
  },
  'a walk takes what it copied for true': {
    file: 'scan.ts',
    from: 'if (!readIsValid(partition, word)) end = TORN;',
    to: '',
    words: /torn value|torn key|saw|scan says/,
    yieldsIn: EVERYWHERE,
    plan: 'ample memory',
  },
  'a walk names a word that was not there all the time': {
    file: 'scan.ts',
    from: 'else if (word != groupWord) word = NO_WORD;',
    to: 'else word = groupWord;',
    words: /saw key \d+ as it was before/,
    yieldsIn: EVERYWHERE,
    plan: 'little memory, 1 partition',
  },
  'the page pool has no tags': {
    file: 'pages.ts',
    from: '+ TAG_ONE) | page',
    to: ') | page',
    words: /integrity: BROKEN|torn value|saw|out of bounds/,
    yieldsIn: AT_ATOMICS,
    plan: 'little memory, 4 partitions',
  },
};

const firstSeed = process.env.HAMMER_SEED ? Number(process.env.HAMMER_SEED) : freshSeed();

/** Explores with one seed after the other; how often the one thread was interrupted. */
function explore(kernels: Kernels, plan: SchedulePlan, arenas: number, seconds = 0) {
  const end = Date.now() + 1000 * seconds;
  let interrupted = 0;
  for (let i = 0; i < arenas || Date.now() < end; i++) {
    const seed = (firstSeed + i) >>> 0;
    const schedules = new Schedules(kernels, plan, seed);
    try {
      schedules.run(OPERATIONS);
    } catch (error) {
      throw new Error(`${(error as Error).message} (HAMMER_SEED=${seed})`, { cause: error });
    }
    interrupted += schedules.interrupted;
  }
  return interrupted;
}

describe.each([
  ['anywhere', EVERYWHERE],
  ['at its locks and pages', AT_ATOMICS],
])('a thread that is interrupted %s', { timeout: 600_000 }, async (_where, yieldsIn) => {
  const interrupted = await compileKernel(yieldsIn);

  test.each(Object.entries(PLANS))('%s', (_name, plan) => {
    const seconds = Number(process.env.HAMMER_SECONDS ?? 0);
    expect(explore({ interrupted }, plan, ARENAS, seconds)).toBeGreaterThan(
      (ARENAS * OPERATIONS) / 4,
    );
  });
});

test.each(Object.entries(CANARIES))(
  'canary: %s',
  { timeout: 600_000 },
  async (_name, { words, plan, yieldsIn, ...edit }) => {
    const interrupted = await compileKernel(yieldsIn, [edit]);
    const other = await compileKernel(NOWHERE, [edit]);
    expect(() => explore({ interrupted, other }, PLANS[plan]!, CANARY_ARENAS)).toThrow(words);
  },
);
