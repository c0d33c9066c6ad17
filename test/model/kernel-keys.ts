/** Keys for the model test: ordinary ones, long ones, and ones whose hashes meet in the table. */
import type { ArenaMemory } from '../support/kernel-memory.js';
import { Random, SEED } from '../support/kernel-random.js';

/** Candidates whose hashes are looked through. Of so many, a few pairs share all 32 bits. */
const CANDIDATES = 200_000;
/** The partition's bits, where there are four, and the bucket's: such keys crowd one bucket. */
const CROWD_MASK = 0xc000_03ff;
/** And the tag's. */
const TAG_MASK = 0xc003_ffff;
const CROWD = 24;
const PAIRS = 4;

/** Just above and below what fits a key into the head of a chained entry, and the longest. */
const LONG_KEYS = [255, 256, 2047, 2048, 2049, 8000, 8190, 16_400, 65_535];

/** Keys as latin1 text, each once. */
export function makeKeys(memory: ArenaMemory, random: Random, ordinary: number): string[] {
  const keys = new Set<string>(['k', '\0', '\xff'.repeat(3)]);
  while (keys.size < ordinary) keys.add(random.bytes(random.between(2, 40)).toString('latin1'));
  colliding ??= collidingKeys(memory, new Random(SEED));
  for (const key of colliding) keys.add(key);
  for (const length of LONG_KEYS) {
    const key = random.bytes(length).toString('latin1');
    keys.add(key);
    // Its twin differs in the last byte only.
    keys.add(key.slice(0, -1) + (key.endsWith('z') ? 'y' : 'z'));
  }
  return [...keys];
}

/** The same for all arenas, which have the same seed: looking for them takes a while. */
let colliding: readonly string[] | undefined;

function collidingKeys(memory: ArenaMemory, random: Random): string[] {
  const base = random.bytes(8);
  const hashes = new Uint32Array(CANDIDATES);
  const keyOf = (index: number): Buffer => {
    base.writeUInt32LE(index, 2);
    return base;
  };
  for (let i = 0; i < CANDIDATES; i++) hashes[i] = memory.hash(keyOf(i));
  const crowd: number[] = [];
  for (let i = 0; crowd.length < CROWD && i < CANDIDATES; i++) {
    if (((hashes[i]! ^ hashes[0]!) & CROWD_MASK) === 0) crowd.push(i);
  }
  const indexes = [...crowd, ...pairs(hashes, TAG_MASK).slice(0, 2 * PAIRS), ...pairs(hashes, -1)];
  return indexes.map((index) => keyOf(index).toString('latin1'));
}

/** Indexes, two by two, of hashes that are the same in the bits of the mask. */
function pairs(hashes: Uint32Array, mask: number): number[] {
  const seen = new Map<number, number>();
  const found: number[] = [];
  for (let i = 0; i < hashes.length; i++) {
    const bits = (hashes[i]! & mask) >>> 0;
    const other = seen.get(bits);
    if (other === undefined) seen.set(bits, i);
    else found.push(other, i);
  }
  return found;
}
