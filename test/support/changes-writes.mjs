/** Random writes of every kind that changes an entry: for the model tests of the change log. */
export const SHORT_TTL_MS = 5;

export function writeSomething(cache, random, keys) {
  const number = random.below(keys);
  const key = number % 50 === 0 ? 'long '.repeat(600) + number : `key ${number}`;
  switch (random.below(16)) {
    case 0:
      return cache.delete(key);
    case 1:
      return cache.expire(key, random.pick([0, 1, SHORT_TTL_MS, 1_000_000]));
    case 2:
      return cache.persist(key);
    case 3:
      return cache.increment(`count ${number % 20}`, random.between(-5, 5), {
        ttl: random.pick([0, SHORT_TTL_MS]),
      });
    case 4:
      return cache.take(key);
    case 5:
      return cache.setMany([
        [key, random.below(10)],
        [`key ${random.below(keys)}`, 'x'.repeat(random.below(100))],
      ]);
    case 6:
      return cache.getVersioned(key);
    case 7:
      return cache.get(key);
    case 8:
      return cache.set(
        key,
        random.below(100),
        random.pick([{ ifAbsent: true }, { ifPresent: true }, { keepTtl: true }]),
      );
    case 9:
      return random.chance(0.002) ? cache.clear() : cache.touch(key);
    case 10:
      return cache.set(key, 'y'.repeat(random.pick([300, 3000, 12_000])));
    case 11:
      return random.chance(0.05) ? cache.set(key, 'z'.repeat(20_000)) : cache.deleteMany([key]);
    default:
      return cache.set(
        key,
        random.word(),
        random.chance(0.3) ? { ttl: random.pick([1, SHORT_TTL_MS, '1h']) } : undefined,
      );
  }
}
