/** The collections that collections-worker.mjs works on. */
export const QUEUES = Array.from({ length: 4 }, (_, i) => `queue ${i}`);
/** Among these, and among those, tokens wander. */
export const RINGS = Array.from({ length: 5 }, (_, i) => `ring ${i}`);
export const BAGS = Array.from({ length: 5 }, (_, i) => `bag ${i}`);
export const TOKENS = 60;
/** A hash whose fields are always written together. */
export const WHOLE = 'whole';
export const FIELDS = 40;

/** Puts in place what is there from the beginning. */
export function prepare(caller) {
  const tokens = Array.from({ length: TOKENS }, (_, i) => `token ${i}`);
  caller.call('RPUSH', RINGS[0], ...tokens);
  caller.call('SADD', BAGS[0], ...tokens);
  const fields = Array.from({ length: FIELDS }, (_, i) => [`field ${i}`, ['first', '']]).flat();
  caller.call('HSET', WHOLE, ...fields);
}
