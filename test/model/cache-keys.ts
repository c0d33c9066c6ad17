/** Keys of the model test of the cache, and which of them comes next. */
import type { Key } from 'slabring';
import { MAX_KEY_BYTES } from '#engine/commands.js';
import { MAX_NAMESPACED_KEY_BYTES, PREFIX_BYTES } from '#engine/keys.js';
import type { Random } from '../support/kernel-random.js';

/** A key in the forms that are the same key. */
export interface ModelKey {
  /** What the model knows it by. */
  readonly id: string;
  readonly bytes: Buffer;
  readonly forms: readonly Key[];
  /** Whether it gets large values where there are any: few do, so that there is memory for all. */
  readonly isRoomy: boolean;
}

export function textKey(text: string, isRoomy = false): ModelKey {
  const bytes = Buffer.from(text);
  return { id: text, bytes, forms: [text, text, text, bytes], isRoomy };
}

/** A key of any bytes. */
function bytesKey(bytes: Buffer, isRoomy = false): ModelKey {
  const text = bytes.toString();
  if (Buffer.from(text).equals(bytes)) return textKey(text, isRoomy);
  return { id: idOf(bytes), bytes, forms: [bytes], isRoomy };
}

/** The `id` of a key that the cache returned. */
export function idOf(key: string | Buffer): string {
  return typeof key === 'string' ? key : `bytes ${key.toString('hex')}`;
}

/** A key of no namespace that has the very bytes that a namespace's key has in the kernel. */
export function lookAlike(key: ModelKey, prefix: number): ModelKey {
  const bytes = Buffer.alloc(PREFIX_BYTES + key.bytes.length);
  bytes.writeInt32LE(prefix);
  bytes.set(key.bytes, PREFIX_BYTES);
  return bytesKey(bytes);
}

/** Around what a chained entry's head holds of a key, around a chunk, and the longest. */
const LONG_KEYS = [255, 2047, 2048, 2049, 8180, 16_400, MAX_KEY_BYTES];
const KEYS = 160;
/** Of so many keys one is roomy. */
const ROOMY_EVERY = 27;

/** @param hasSpaces whether the keys are also those of namespaces, which the kernel has longer */
function makeKeys(hasSpaces: boolean): ModelKey[] {
  const most = hasSpaces ? MAX_NAMESPACED_KEY_BYTES : MAX_KEY_BYTES;
  const shorter = hasSpaces ? LONG_KEYS.map((length) => length - PREFIX_BYTES) : [];
  const lengths = [...LONG_KEYS, ...shorter].filter((length) => length <= most);
  const keys: ModelKey[] = [];
  const isRoomy = (): boolean => keys.length % ROOMY_EVERY === 1;
  for (const length of lengths) {
    keys.push(textKey(`${length} `.padEnd(length, 'long key '), isRoomy()));
  }
  for (let i = 0; i < 4; i++) {
    keys.push(bytesKey(Buffer.from([0xff, i]), isRoomy()));
    keys.push(textKey('\ufffd'.repeat(i + 1), isRoomy()));
  }
  for (let i = 0; keys.length < KEYS; i++) {
    if (i % 10 === 0) keys.push(textKey(`ключ ${i}`, isRoomy()));
    else if (i % 10 === 1) keys.push(textKey(`{tag ${i % 40}}:${i}`, isRoomy()));
    else keys.push(textKey(`${i} `.padEnd(i % 37, '.'), isRoomy()));
  }
  return keys;
}

const HOT_KEYS = 10;
const HOT_ROOMY_KEYS = 3;

/** Draws keys: half of the time of a few that change, and in a story mostly its key. */
export class KeySource {
  readonly all: readonly ModelKey[];
  readonly #random: Random;
  readonly #roomy: readonly ModelKey[];
  #hot: readonly ModelKey[];
  #storyKey: ModelKey | undefined;

  /** @param hasLarge whether roomy keys shall be among those that come often */
  constructor(random: Random, hasSpaces: boolean, hasLarge: boolean) {
    this.#random = random;
    this.all = makeKeys(hasSpaces);
    this.#roomy = hasLarge ? this.all.filter(({ isRoomy }) => isRoomy) : this.all;
    this.#hot = this.#someHot();
  }

  next(): ModelKey {
    const random = this.#random;
    if (random.chance(0.005)) this.#hot = this.#someHot();
    if (this.#storyKey && random.chance(0.9)) return this.#storyKey;
    return random.pick(random.chance(0.5) ? this.#hot : this.all);
  }

  beginStory(): void {
    this.#storyKey = undefined;
    this.#storyKey = this.next();
  }

  endStory(): void {
    this.#storyKey = undefined;
  }

  #someHot(): ModelKey[] {
    const random = this.#random;
    return Array.from({ length: HOT_KEYS }, (_, i) =>
      random.pick(i < HOT_ROOMY_KEYS ? this.#roomy : this.all),
    );
  }
}
