/**
 * Canaries of the integrity walk over collections, as kernel-integrity.test.ts has them for the
 * rest: each rule is broken once by writing into the arena's memory, and must be named.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { INTEGRITY_RULES } from '#engine/kernel-exports.js';
import {
  type ArenaMemory,
  Bench,
  Entry,
  KIB,
  MIB,
  Node,
  PAGE_BYTES,
  Root,
} from '../support/kernel-memory.js';
import { Random, SEED } from '../support/kernel-random.js';
import { bin, command, integer, NIL, str } from '../support/kernel-wire.js';

/** An arena with collections packed and large, and with garbage of one that is no more. */
class Patient extends Bench {
  readonly #healthy: Buffer;

  constructor() {
    super({ memoryBytes: 16 * MIB, partitions: 1, policy: 'none', maxValueBytes: 64 * KIB });
    for (let i = 0; i < 2000; i++) {
      this.run(
        command('RPUSH', str('list'), integer(i)),
        command('SADD', str('set'), str(`member ${i}`)),
        command('HSET', str('hash'), str(`field ${i}`), bin(Buffer.alloc(40))),
      );
    }
    this.one(command('HSET', str('hash'), str('long'), bin(Buffer.alloc(20_000))));
    for (let i = 0; i < 500; i++) {
      const ttl = integer(i % 2 ? 100_000 + i : 0);
      this.one(command('HSETEX', str('times'), ttl, NIL, str(`field ${i}`), integer(i)));
    }
    this.one(command('HSETEX', str('soon'), integer(9), NIL, str('a'), integer(1)));
    this.run(
      command('RPUSH', str('few'), integer(1), integer(2)),
      command('SADD', str('pair'), integer(1), integer(2)),
    );
    // So many nodes that they are not freed at once.
    const long = Array.from({ length: 40 }, (_, i) => bin(Buffer.alloc(6000, i)));
    for (let i = 0; i < 8; i++) this.one(command('RPUSH', str('gone'), ...long.slice(0, 9)));
    for (let i = 0; i < 20_000; i++) this.one(command('SADD', str('gone set'), integer(i)));
    this.one(command('DEL', str('gone set'), str('gone')));
    this.#healthy = Buffer.from(this.memory.bytes);
  }

  restore(): void {
    this.memory.bytes.set(this.#healthy);
  }

  /** Where a field of a collection's root stands. */
  root(key: string, field: keyof typeof Root): number {
    return this.memory.valueAddress(this.memory.entry(Buffer.from(key))) + Root[field];
  }

  /** Where the expiry of an entry stands. */
  expiry(key: string): number {
    return this.memory.entry(Buffer.from(key)) + Entry.fields;
  }

  /** A node that holds items of a list, and one of a set. */
  get leaf(): number {
    const { memory } = this;
    let node = memory.u32(this.root('list', 'tree'));
    // A branch, shape 5, points to its first child.
    while (memory.u8(node + Node.shape) === 5) node = memory.u32(node + Node.payload);
    return node;
  }

  get garbage(): number {
    return this.memory.u32(this.memory.partition(0, 'garbage'));
  }
}

type Harm = (patient: Patient) => void;

const add = ({ memory }: Patient, address: number, by: number): void =>
  memory.setU32(address, memory.u32(address) + by);

const HARMS: Record<string, Record<string, Harm>> = {
  BROKEN_COLLECTION: {
    'a list counts one more': (p) => add(p, p.root('list', 'count'), 1),
    'a set counts one more': (p) => add(p, p.root('set', 'count'), 1),
    'a hash counts other bytes': (p) => add(p, p.root('hash', 'bytes'), -1),
    'a set without a table': (p) => p.memory.setU32(p.root('set', 'table'), 0),
    'a table outside of the pages': (p) =>
      p.memory.setU32(p.root('hash', 'table'), p.memory.header('endAddress')),
    'a list without a tree': (p) => p.memory.setU32(p.root('list', 'tree'), 0),
    'a tree that is an entry': (p) =>
      p.memory.setU32(p.root('list', 'tree'), p.memory.entry(Buffer.from('few'))),
    'more buckets than there are': (p) => add(p, p.root('set', 'buckets'), 100_000),
    'a node of another parent': (p) => add(p, p.leaf + Node.parent, 16),
    'a node that is something else': (p) => p.memory.setU8(p.leaf + Node.shape, 1),
    'a node with one item more': (p) =>
      p.memory.setU16(p.leaf + Node.count, p.memory.u16(p.leaf + Node.count) + 1),
    'an element of four billion others': (p) => {
      const element = p.leaf + Node.payload + p.memory.u32(p.leaf + Node.next);
      p.memory.setU8(element, 0xdd);
      p.memory.setU32(element + 1, 0xffff_ffff);
    },
    'a packed list with one item more': (p) => {
      const value = p.memory.valueAddress(p.memory.entry(Buffer.from('few')));
      p.memory.setU16(value, 3);
    },
    'a hash that counts one field more that expires': (p) => add(p, p.root('times', 'expires'), 1),
    'a hash that counts no fields that expire': (p) =>
      p.memory.setU32(p.root('times', 'expires'), 0),
    'fields that expire, without a tree': (p) => p.memory.setU32(p.root('times', 'tree'), 0),
    'a hash that is gone before its fields are': (p) => add(p, p.expiry('soon'), -1),
    'a hash that is there after its last field': (p) => add(p, p.expiry('soon'), 1),
    'a hash that would never expire, and does': (p) => add(p, p.expiry('times'), -1),
    'a field that expires at another time in the tree': (p) => {
      let node = p.memory.u32(p.root('times', 'tree'));
      while (p.memory.u8(node + Node.shape) === 5) node = p.memory.u32(node + Node.payload);
      const second = node + Node.payload + p.memory.u32(node + Node.next) + 1;
      // Behind the first item, which its branch knows: a score's lowest byte.
      const score = second + p.memory.u8(second - 1) + 1;
      p.memory.setU8(score, p.memory.u8(score) ^ 1);
    },
    'a packed set that is empty': (p) => {
      const value = p.memory.valueAddress(p.memory.entry(Buffer.from('pair')));
      p.memory.setU16(value, 0);
    },
  },
  BROKEN_GARBAGE: {
    'a node that is none': (p) =>
      p.memory.setU32(p.memory.partition(0, 'garbage'), p.memory.entry(Buffer.from('few'))),
    'an address outside of the pages': (p) => p.memory.setU32(p.memory.partition(0, 'garbage'), 64),
    'a node that is not in the list': (p) =>
      p.memory.setU8(p.garbage + Node.shape, p.memory.u8(p.garbage + Node.shape) & 0x7f),
  },
};

describe('the integrity walk over collections', () => {
  const patient = new Patient();
  beforeEach(() => patient.restore());

  it('finds nothing wrong with the patient, which has all there is', () => {
    expect(patient.garbage).not.toBe(0);
    const flags = patient.memory.flags(patient.memory.entry(Buffer.from('list')));
    expect(flags).not.toBe(
      patient.memory.u8(patient.memory.entry(Buffer.from('few')) + Entry.flags),
    );
    expect(patient.arena.checkIntegrity()).toBeUndefined();
  });

  const cases = Object.entries(HARMS).flatMap(([rule, harms]) =>
    Object.entries(harms).map(([what, harm]) => [rule, what, harm] as const),
  );

  it.each(cases)('%s: %s', (rule, _, harm) => {
    harm(patient);
    expect(patient.arena.checkIntegrity()).toBe(`${rule}: ${INTEGRITY_RULES[rule]}`);
    expect(patient.memory.u64(patient.memory.partition(0, 'word')) & 0xffffn).toBe(0n);
  });
});

const SLAB = 2;
const CHUNK_NODE = 0xfc;

/** Where all nodes begin, and how long their chunks are. */
function nodesOf(memory: ArenaMemory): [address: number, bytes: number][] {
  const sizes = memory.classSizes();
  const nodes: [number, number][] = [];
  for (let page = memory.header('firstPage'); page < memory.header('poolBump'); page++) {
    if (memory.u8(memory.pageInfo(page)) !== SLAB) continue;
    const bytes = sizes[memory.u8(memory.pageInfo(page, 'sizeClass'))]!;
    for (let i = 0; i < memory.u16(memory.pageInfo(page, 'bump')); i++) {
      const address = page * PAGE_BYTES + i * bytes;
      if (memory.u8(address + Node.kind) === CHUNK_NODE) nodes.push([address, bytes]);
    }
  }
  return nodes;
}

it(`the integrity walk ends whatever stands in nodes (seed ${SEED})`, () => {
  const random = new Random(SEED);
  const bench = new Bench({ memoryBytes: 3 * MIB, partitions: 1, maxValueBytes: 64 * KIB });
  const { memory, arena } = bench;
  for (let i = 0; i < 700; i++) {
    bench.run(
      command('RPUSH', str('list'), integer(i), str('x'.repeat(i % 100))),
      command('SADD', str('set'), str(`member ${i}`)),
      command('HSET', str('hash'), str(`field ${i}`), bin(Buffer.alloc(i % 500))),
      command('ZINCRBY', str('order'), integer(i % 100), str(`member ${i}`)),
      command('HSETEX', str('times'), integer(9000 + i), NIL, str(`field ${i}`), integer(i)),
      command('SADD', str('gone'), ...[1, 2, 3, 4, 5].map((one) => integer(one * 1000 + i))),
    );
  }
  const long = bin(Buffer.alloc(20_000));
  bench.one(command('HSET', str('hash'), str('long'), long));
  bench.one(command('RPUSH', str('list'), long));
  bench.one(command('DEL', str('gone')));
  expect(memory.u32(memory.partition(0, 'garbage'))).not.toBe(0);
  expect(arena.checkIntegrity()).toBeUndefined();
  const healthy = Buffer.from(memory.bytes);
  const nodes = nodesOf(memory);
  let found = 0;
  for (let round = 0; round < 3000; round++) {
    for (let i = random.between(1, 4); i > 0; i--) {
      const [address, bytes] = random.pick(nodes);
      // Mostly in its head, or what comes first.
      const at = address + random.below(random.chance(0.6) ? 40 : bytes - 8);
      const [other] = random.pick(nodes);
      const word = random.pick([0, 1, 0xdd, 0xffff, 0xffff_ffff, other, random.next() * 2 ** 32]);
      if (random.chance(0.3)) memory.setU8(at, word % 256);
      else memory.setU32(at, word);
    }
    if (arena.checkIntegrity() !== undefined) found += 1;
    memory.bytes.set(healthy);
  }
  expect(found).toBeGreaterThan(1000);
});
