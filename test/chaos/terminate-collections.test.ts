/**
 * Workers are terminated in the midst of commands on collections and of ATOMIC, while the main
 * thread reads and writes the same ones: each collection is whole or gone, and the arena sound.
 * CHAOS_SECONDS makes each run longer.
 */
// Sleeps: leaves the processors to those who shall die.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Arena, type ArenaOptions } from '#engine/arena.js';
import { Caller, frameOf } from '../concurrency/caller.mjs';
import { liveAndDie } from '../support/chaos-lives.js';
import { freshSeed, Random } from '../support/fuzz-random.mjs';

const MIB = 1024 ** 2;
const RUN_MS = process.env.CHAOS_SECONDS ? 1000 * Number(process.env.CHAOS_SECONDS) : 3000;
const MAX_THREADS = 8;
const DOOMED_AT_ONCE = 3;
/** Frames there are, and how many of them a thread has. */
const FRAMES = 1500;
const FRAMES_OF_ONE = 150;
/** Keys of each sort. */
const KEYS = 12;
const FIELDS = 30;

type Command = [name: string, ...args: unknown[]];

const key = (random: Random, sort: string): string => `${sort} ${random.below(KEYS)}`;
/** Now and then so long that it stands outside. */
const padding = (random: Random): string =>
  'x'.repeat(random.chance(0.1) ? random.below(6000) : random.below(60));

/** A command that leaves what it changes whole, whatever was there. */
function nextCommand(random: Random): Command {
  const id = random.below(1e9);
  switch (random.below(11)) {
    case 0:
    case 1: {
      // All fields of one write, or another hash of more and more fields.
      const value = `${id} ${padding(random)}`;
      const fields = Array.from({ length: FIELDS }, (_, i) => [`field ${i}`, value]);
      return ['HSET', key(random, 'whole'), ...fields.flat()];
    }
    case 2:
      return nextCount(random);
    case 3:
    case 4: {
      const element = `${id} ${padding(random)}`;
      const name = random.pick(['RPUSH', 'LPUSH']);
      return [name, key(random, 'triples'), element, element, element];
    }
    case 5:
      return [random.pick(['LPOP', 'RPOP']), key(random, 'triples'), 3 * random.between(1, 9)];
    case 6: {
      const members = Array.from({ length: random.between(1, 40) }, () => random.between(1, 2000));
      const twins = members.flatMap((member) => [member, -member]);
      return [random.pick(['SADD', 'SADD', 'SREM']), key(random, 'twins'), ...twins];
    }
    case 7:
    case 8: {
      const pairs = Array.from({ length: random.between(1, 30) }, () => [
        random.between(-99, 99),
        `member ${random.below(1500)}`,
      ]);
      return ['ZADD', key(random, 'scores'), null, ...pairs.flat()];
    }
    case 9: {
      const members = Array.from({ length: 30 }, () => `member ${random.below(1500)}`);
      return ['ZREM', key(random, 'scores'), ...members];
    }
    default:
      return random.chance(0.3)
        ? ['DEL', key(random, random.pick(['whole', 'counts', 'triples', 'twins', 'scores']))]
        : ['EXPIRE', key(random, 'scores'), 60_000];
  }
}

/** Of hashes of many fields, of which some expire, soon or later. */
function nextCount(random: Random): Command {
  const name = key(random, 'counts');
  const field = (): string => `field ${random.below(500)}`;
  const fields = Array.from({ length: random.between(1, 20) }, field);
  switch (random.below(6)) {
    case 0:
      return ['HEXPIRE', name, random.pick([5, 50, 5000]), 0, ...fields];
    case 1:
      return ['HPERSIST', name, ...fields];
    case 2: {
      const pairs = fields.flatMap((one) => [one, random.below(9)]);
      return ['HSETEX', name, random.pick([null, 5, 50, 5000]), 0, ...pairs];
    }
    case 3:
      return ['HGETDEL', name, ...fields];
    default:
      return ['HINCRBY', name, field(), 1];
  }
}

function nextFrame(random: Random): Uint8Array {
  if (random.chance(0.7)) return frameOf(nextCommand(random));
  return frameOf(
    Array.from({ length: random.between(2, 6) }, () => nextCommand(random)),
    true,
  );
}

/** Looks whether a collection is whole. */
class Reader {
  seen = 0;
  gone = 0;

  constructor(readonly caller: Caller) {}

  look(random: Random): void {
    const sort = random.pick(['whole', 'counts', 'triples', 'twins', 'scores'] as const);
    const name = key(random, sort);
    if (this[sort](name)) this.seen++;
    else this.gone++;
  }

  whole(name: string): boolean {
    const values = [...(this.caller.call('HGETALL', name) as Map<string, string>).values()];
    if (new Set(values).size > 1) throw new Error(`${name} has fields of several writes`);
    if (values.length % FIELDS !== 0) throw new Error(`${name} has ${values.length} fields`);
    return values.length > 0;
  }

  counts(name: string): boolean {
    const [fields, size] = this.caller.atomic([
      ['HGETALL', name],
      ['HLEN', name],
    ]) as [Map<string, number>, number];
    if (fields.size !== size) throw new Error(`${name} counts ${size}, and has ${fields.size}`);
    return size > 0;
  }

  triples(name: string): boolean {
    const elements = (this.caller.call('LRANGE', name, 0, -1) ?? []) as string[];
    const first = elements.filter((_, i) => i % 3 === 0);
    const isWhole = elements.every((element, i) => element === first[Math.floor(i / 3)]);
    if (!isWhole || elements.length % 3 !== 0) throw new Error(`${name} has torn triples`);
    return elements.length > 0;
  }

  twins(name: string): boolean {
    const members = new Set(this.caller.call('SMEMBERS', name) as Iterable<number>);
    for (const one of members) if (!members.has(-one)) throw new Error(`${name}: ${one} is alone`);
    return members.size > 0;
  }

  /** The order and the table say the same. */
  scores(name: string): boolean {
    const members = Array.from({ length: 1500 }, (_, i) => `member ${i}`);
    const [ranked, scores] = this.caller.atomic([
      ['ZRANGE', name, 0, -1, 8],
      ['ZMSCORE', name, ...members],
    ]) as [(string | number)[], (number | null)[]];
    const byMember = new Map<unknown, unknown>();
    for (let i = 0; i < ranked.length; i += 2) byMember.set(ranked[i], ranked[i + 1]);
    const differs = members.find((member, i) => (byMember.get(member) ?? null) !== scores[i]);
    if (differs) throw new Error(`${name}: ${differs} has two scores`);
    if (byMember.size * 2 !== ranked.length) throw new Error(`${name} has a member twice`);
    return ranked.length > 0;
  }
}

const PLANS: Record<string, Omit<ArenaOptions, 'maxThreads' | 'maxValueBytes'>> = {
  '32 partitions': { memoryBytes: 64 * MIB, partitions: 32, policy: 'none' },
  '4 partitions of little memory': { memoryBytes: 3 * MIB, partitions: 4, policy: 'lru' },
};

test.each(Object.entries(PLANS))('%s', { timeout: 3_600_000 }, async (_name, plan) => {
  const seed = freshSeed();
  const random = new Random(seed);
  const arena = Arena.create({ ...plan, maxThreads: MAX_THREADS, maxValueBytes: MIB });
  const caller = new Caller(arena);
  const reader = new Reader(caller);
  const end = Date.now() + RUN_MS;
  let deaths = 0;
  let failed = false;
  const isOver = (): boolean => failed || Date.now() >= end;
  const all = Array.from({ length: FRAMES }, () => nextFrame(random));
  const killOneByOne = async (): Promise<void> => {
    while (!isOver()) {
      const frames = Array.from({ length: FRAMES_OF_ONE }, () => random.pick(all));
      await liveAndDie(arena.handle, { frames, larges: [] }, random.below(60) / 10);
      deaths++;
    }
  };
  const goOn = async (): Promise<void> => {
    for (let turn = 1; !isOver(); turn++) {
      reader.look(random);
      const [name, ...args] = nextCommand(random);
      caller.tryCall(name, ...args);
      if (turn % 20 === 0) arena.kernel.upkeep(arena.slot, Date.now());
      if (turn % 200 === 0) expect(arena.checkIntegrity()).toBeUndefined();
      if (turn % 20 === 0) await sleep(1);
    }
  };
  const doomed = Array.from({ length: DOOMED_AT_ONCE }, killOneByOne);
  try {
    await Promise.all([goOn(), ...doomed]);
  } catch (error) {
    throw new Error(`${(error as Error).message} (seed ${seed})`, { cause: error });
  } finally {
    failed = true;
    await Promise.allSettled(doomed);
  }
  arena.reapThreads();
  const { takeovers, partitionsEmptied, threads } = arena.stats();
  console.info(
    `${deaths} deaths, ${takeovers} with a lock, ${partitionsEmptied} partitions emptied; ` +
      `${reader.seen} collections whole, ${reader.gone} gone`,
  );
  expect(arena.checkIntegrity()).toBeUndefined();
  for (let i = 0; i < 500; i++) reader.look(random);
  expect(threads).toBe(1);
  // On a machine that does other things, too, a thread may take a second to start.
  expect(deaths).toBeGreaterThan(RUN_MS / 3000);
  expect(takeovers).toBeGreaterThan(0);
  expect(reader.seen).toBeGreaterThan(100);
  arena.close();
});
