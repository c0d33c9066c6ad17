/** Calls of the model test with something wrong about them. */
import type { Cache, Namespace } from 'slabring';
import type { Call, Source } from './cache-calls.js';

/** A call that is refused, and changes nothing. */
export function wrong(source: Source): Call {
  const { random } = source;
  const key = random.pick(source.key().forms);
  const long = source.maxValueBytes;
  const wrongs: readonly [string, (cache: Cache | Namespace) => unknown, string][] = [
    ['an empty key', (cache) => cache.set('', 1), 'OPTION'],
    ['a long key', (cache) => cache.set('x'.repeat(source.maxKeyBytes + 1), 1), 'OPTION'],
    ['undefined', (cache) => cache.set(key, undefined), 'OPTION'],
    ['a function', (cache) => cache.swap(key, { call: () => 1 }), 'OPTION'],
    ['a long text', (cache) => cache.set(key, 'x'.repeat(long)), 'TOOLARGE'],
    ['long bytes', (cache) => cache.setBytes(key, Buffer.alloc(long)), 'TOOLARGE'],
    ['a long object', (cache) => cache.swap(key, { a: 'x'.repeat(long) }), 'TOOLARGE'],
    [
      'a long one of many',
      (cache) =>
        cache.setMany([
          [key, 1],
          [key, 'x'.repeat(long)],
        ]),
      'TOOLARGE',
    ],
    ['a negative ttl', (cache) => cache.set(key, 1, { ttl: -1 }), 'OPTION'],
    ['an unknown unit', (cache) => cache.expire(key, '5 apples'), 'OPTION'],
    ['ttl and keepTtl', (cache) => cache.set(key, 1, { ttl: 5, keepTtl: true }), 'OPTION'],
    [
      'two conditions',
      (cache) => cache.swap(key, 1, { ifAbsent: true, ifPresent: true }),
      'OPTION',
    ],
    ['no version', (cache) => cache.set(key, 1, { ifVersion: 0.5 }), 'OPTION'],
    ['no delta', (cache) => cache.increment(key, 0.5), 'OPTION'],
    ['one wrong key of many', (cache) => cache.deleteMany([key, '']), 'OPTION'],
    ['no pairs', (cache) => cache.setMany([[key, 1], [key]] as never), 'OPTION'],
  ];
  const [name, direct, code] = random.pick(wrongs);
  return {
    text: `wrong: ${name}`,
    direct,
    check: (_, reply) => {
      const refused = (reply as { code?: string } | undefined)?.code;
      if (refused !== code) throw new Error(`expected the error ${code}, not ${String(refused)}`);
    },
  };
}
