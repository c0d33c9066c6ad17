/** What the threads of large.test.ts write and read: values that tell whether they are whole. */

/** Words of the board. */
export const STOP = 0;
export const READY = 1;
export const BOARD_WORDS = 2;

/** A word of every page and more is looked at. */
const STEP_WORDS = 1021;
const MIB = 1024 ** 2;

const mix = (seed, index) => Math.imul(seed + index, 0x9e37_79b1);

/** Bytes of which every word follows from the seed and its place. */
export function largeBytes(seed, random) {
  const words = new Int32Array(random.between(MIB, 4 * MIB) >> 2);
  words[0] = seed;
  words[1] = words.length;
  for (let i = 2; i < words.length; i++) words[i] = mix(seed, i);
  return new Uint8Array(words.buffer);
}

/** Throws when the bytes are not those of one write. */
export function checkLarge(bytes) {
  if (bytes === undefined) return;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const seed = view.getInt32(0, true);
  const words = view.getInt32(4, true);
  if (words * 4 !== bytes.byteLength) throw new Error(`torn value: ${words} words`);
  for (let i = 2; i < words; i += STEP_WORDS) check(view, seed, i);
  check(view, seed, words - 1);
}

function check(view, seed, index) {
  const found = view.getInt32(4 * index, true);
  if (found !== mix(seed, index)) throw new Error(`torn value: word ${index} of write ${seed}`);
}
