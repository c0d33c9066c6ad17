/** Operations on namespaces for chaos-deaths.ts. */
import { lengthOfWord, NAMESPACED_KEY, PREFIX_BYTES } from '#engine/keys.js';
import {
  type DeathPlan,
  type Deaths,
  type Mortal,
  NOW_MS,
  type Operation,
} from './chaos-deaths.js';
import { ArenaMemory, EPOCH_BITS, KIB } from './kernel-memory.js';

const NAME = Buffer.from('users');
const NUMBER = 1;
/** What entries begin with: key and length of the value, all of whose bytes are the same. */
const ENTRIES: readonly [string, number][] = [
  ['small', 40],
  ['other', 40],
  ['large', 3000],
  ['chained', 20_000],
  ['long'.padEnd(3000, '-'), 9000],
];
const OLD = 1;
const NEW = 2;
const BEFORE = 10_000;

const PLAN = { memoryBytes: 2400 * KIB, partitions: 2, policy: 'none', maxNamespaces: 2 } as const;

/** Writes a key where the kernel takes it; its word. */
function writeKey({ arena, request }: Mortal, key: string): number {
  const memory = new ArenaMemory(arena);
  const epoch = memory.u32(memory.epochAt(NUMBER));
  request.writeUInt32LE((NUMBER << EPOCH_BITS) | epoch);
  return NAMESPACED_KEY | (PREFIX_BYTES + request.write(key, PREFIX_BYTES));
}

/** Whether it was stored. */
function put(mortal: Mortal, key: string, length: number, byte: number, ttlMs = 0): boolean {
  const word = writeKey(mortal, key);
  const start = PREFIX_BYTES + key.length;
  mortal.request.fill(byte, start, start + length);
  const { kernel, slot } = mortal.arena;
  return kernel.setDirect(slot, word, length, ttlMs, 0, 0, NOW_MS) === 1;
}

/** The same, as large values are written. */
function putDraft(mortal: Mortal, key: string, length: number, byte: number): boolean {
  const end = lengthOfWord(writeKey(mortal, key));
  const bytes = Buffer.from(mortal.request.subarray(0, end));
  return mortal.storeDraft(bytes, Buffer.alloc(length, byte), 0, NAMESPACED_KEY);
}

function remove(mortal: Mortal, key: string): void {
  const { kernel, slot } = mortal.arena;
  kernel.deleteDirect(slot, writeKey(mortal, key), NOW_MS);
}

function clear({ arena }: Mortal): void {
  arena.kernel.clearNamespace(arena.slot, NUMBER, -1);
}

function openUsers({ arena, request }: Mortal): void {
  request.set(NAME);
  arena.kernel.openNamespace(arena.slot, NAME.length);
}

const keyOf = (i: number): string => `filling ${i}`;

function prepare({ survivor }: Deaths): void {
  openUsers(survivor);
  for (const [key, length] of ENTRIES) put(survivor, key, length, OLD);
}

/** Nothing fits any more, and most of it was cleared. */
function fillAndClear(deaths: Deaths): void {
  openUsers(deaths.survivor);
  for (let i = 0; i < BEFORE && put(deaths.survivor, keyOf(i), 300, OLD); i++);
  clear(deaths.survivor);
}

/** What is found is whole, and just that is counted. */
function verify({ survivor }: Deaths): void {
  const { kernel, slot } = survivor.arena;
  let found = 0;
  for (const [key] of [...ENTRIES, ['new']] as [string][]) {
    const length = kernel.getDirect(slot, writeKey(survivor, key), NOW_MS);
    if (length < 0) continue;
    found++;
    const value = survivor.reply.subarray(0, length);
    const byte = value[0]!;
    if ((byte !== OLD && byte !== NEW) || !value.every((other) => other === byte)) {
      throw new Error(`${key} of the namespace is torn`);
    }
  }
  const { namespaceEntries } = survivor.arena.stats();
  if (namespaceEntries !== found) {
    throw new Error(`${found} entries of the namespace are found, ${namespaceEntries} are counted`);
  }
}

function operation(run: (mortal: Mortal) => void): Operation & { plan: DeathPlan } {
  return { plan: PLAN, prepare, run, verify };
}

export const SPACE_OPERATIONS: Record<string, Operation & { plan: DeathPlan }> = {
  'a new entry of a namespace': operation((mortal) => put(mortal, 'new', 60, NEW)),
  'one with a chain': operation((mortal) => put(mortal, 'new', 20_000, NEW)),
  'one by a draft': operation((mortal) => putDraft(mortal, 'new', 140_000, NEW)),
  'one by a draft in the place of another': operation((mortal) => {
    putDraft(mortal, 'large', 140_000, NEW);
  }),
  'one by a draft, with a long key': operation((mortal) => {
    putDraft(mortal, ENTRIES[4]![0], 130_000, NEW);
  }),
  'one of the same length': operation((mortal) => put(mortal, 'small', 40, NEW)),
  'one of the same class': operation((mortal) => put(mortal, 'small', 41, NEW)),
  'one of another class': operation((mortal) => put(mortal, 'small', 700, NEW)),
  'one that gets an expiry': operation((mortal) => put(mortal, 'other', 40, NEW, 5000)),
  'one that is deleted': operation((mortal) => remove(mortal, 'large')),
  'one with a long key that is deleted': operation((mortal) => remove(mortal, ENTRIES[4]![0])),
  'clearing a namespace': operation(clear),
  'clearing a namespace, and a new entry': operation((mortal) => {
    clear(mortal);
    put(mortal, 'new', 60, NEW);
  }),
  'opening a namespace': {
    plan: PLAN,
    run: openUsers,
    verify: (deaths) => {
      prepare(deaths);
      verify(deaths);
    },
  },
  'sweeping, in upkeep': {
    ...operation(({ arena }) => {
      for (let i = 0; i < 4; i++) arena.kernel.upkeep(arena.slot, NOW_MS);
    }),
    prepare: (deaths) => {
      prepare(deaths);
      clear(deaths.survivor);
    },
  },
  'sweeping, for room': {
    ...operation((mortal) => put(mortal, 'new', 20_000, NEW)),
    prepare: fillAndClear,
  },
};
