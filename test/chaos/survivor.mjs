/**
 * One that goes on while others die: reads and writes keys that all of them write, whose values
 * must be whole, and keys of its own, which must have the value that it wrote last, or be gone with
 * their partition.
 */

import { checkValue, writeValue } from '../concurrency/values.mjs';
import { Random } from '../support/fuzz-random.mjs';

export const SHARED_KEYS = 400;
export const OWNED = 1000;
export const OWNED_KEYS = 200;
const SIZES = [20, 40, 60, 100, 250, 300, 600, 3000, 8100, 9000, 20_000];
const HASH_SEED = 12;

export const keyOf = (number) => Buffer.from(`chaos ${number}`);

export class Survivor {
  longestMs = 0;
  lost = 0;
  #arena;
  #evicts;
  #random;
  #self;
  #request;
  #reply;
  #view;
  #emptied;
  /** By owned key: the sequence stored last, and how often its partition had been emptied before. */
  #stored = new Map();
  #sequence = 0;

  constructor(arena, seed, self, emptied) {
    this.#emptied = emptied;
    this.#evicts = arena.facts.policy !== 'none';
    const bufferOf = ({ buffer, byteOffset, length }) => Buffer.from(buffer, byteOffset, length);
    this.#arena = arena;
    this.#random = new Random(seed + self);
    this.#self = self;
    this.#request = bufferOf(arena.request);
    this.#reply = bufferOf(arena.reply);
    this.#view = new DataView(arena.handle.memory.buffer);
  }

  turn() {
    const random = this.#random;
    const isOwned = random.chance(0.5);
    const number = isOwned
      ? OWNED + this.#self * OWNED_KEYS + random.below(OWNED_KEYS)
      : random.below(SHARED_KEYS);
    const start = performance.now();
    const found = this.#look(number);
    if (isOwned) this.#checkOwned(number, found);
    if (random.chance(0.4)) this.#write(number, isOwned);
    this.longestMs = Math.max(this.longestMs, performance.now() - start);
  }

  close() {
    this.#arena.close();
  }

  /** The sequence of the key's value; 0: absent. */
  #look(number) {
    const { kernel, slot } = this.#arena;
    const key = keyOf(number);
    this.#request.set(key);
    const length = kernel.getDirect(slot, key.length, Date.now());
    return length < 0 ? 0 : checkValue(this.#reply, 0, length, number).sequence;
  }

  #write(number, isOwned) {
    const { kernel, slot } = this.#arena;
    const emptied = this.#emptiedOf(number);
    const key = keyOf(number);
    this.#request.set(key);
    const length = this.#random.pick(SIZES) + this.#random.below(9);
    const sequence = ++this.#sequence;
    const end = writeValue(this.#request, key.length, number, this.#self, sequence, length);
    const status = kernel.setDirect(slot, key.length, end - key.length, 0, 0, 0, Date.now());
    // Where a policy evicts, all partitions but one's own may be locked by the dead for a while.
    if (status < 0 && !this.#evicts) throw this.#arena.errorOf(status);
    if (isOwned && status > 0) this.#stored.set(number, { sequence, emptied });
  }

  #checkOwned(number, found) {
    const stored = this.#stored.get(number);
    const expected = stored?.sequence ?? 0;
    if (found === expected) return;
    const isLost = found === 0 && (this.#evicts || this.#emptiedOf(number) !== stored.emptied);
    if (!isLost) throw new Error(`owned key ${number} has ${found} instead of ${expected}`);
    this.#stored.delete(number);
    this.lost++;
  }

  /** How often the key's partition was emptied. */
  #emptiedOf(number) {
    const { kernel, request, facts } = this.#arena;
    const key = keyOf(number);
    request.set(key);
    const seed = this.#view.getUint32(HASH_SEED, true);
    const hash = kernel.xxh32(request.byteOffset, key.length, seed) >>> 0;
    const partition = Math.floor(hash / (2 ** 32 / facts.partitions));
    return this.#view.getUint32(this.#emptied.at + partition * this.#emptied.stride, true);
  }
}
