/** Messages of membership: their bytes, their size, and what is not one. */
import { Packr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { Broadcasts } from '#server/cluster/membership/broadcasts.js';
import type { Claim, Member } from '#server/cluster/membership/member.js';
import {
  checkIdentity,
  isClaim,
  KINDS,
  MESSAGE_BYTES_MAX,
  type Message,
  packHeader,
  packNews,
  roomBeside,
  unpackMessage,
  withNews,
} from '#server/cluster/membership/wire.js';
import { Random, SEED } from '../support/kernel-random.js';

const life = { name: 'node-1', id: 'abc', startedAtMs: 1_900_000_000_123, incarnation: 7 };
const member: Member = {
  ...life,
  ...{ address: '[::1]:7708', clientUrl: 'ws://a/', zone: 'z', weight: 2.5 },
  ...{ state: 'suspect', meta: Uint8Array.of(0, 1, 255) },
};
const claim: Claim = { ...life, state: 'dead', by: 'node-2' };
const header: Omit<Message, 'news'> = {
  ...{ kind: 'ping', stamp: 2n ** 64n - 3n, sender: 'me', number: 5, target: 'abc' },
};
const packr = new Packr({ useRecords: false });

describe('a message', () => {
  it.each(KINDS)('%s is read as it was written', (kind) => {
    const bytes = withNews(packHeader({ ...header, kind }), [packNews(member), packNews(claim)]);
    const read = unpackMessage(bytes) as Message;
    expect(read).toEqual({ ...header, kind, news: [member, claim] });
    expect(read.news.map(isClaim)).toEqual([false, true]);
  });

  it('is msgpack that any library reads, begins with 0x90, and has 8 bytes of stamp', () => {
    const bytes = withNews(packHeader(header), [packNews(claim)]);
    expect(Buffer.from(bytes).toString('hex')).toBe(
      '97cc9000d3fffffffffffffffda26d6505a3616263' +
        'dc00019602a66e6f64652d31a3616263cb427ba60cf8c07b0007a66e6f64652d32'.replace(
          'cb427ba60cf8c07b00',
          Buffer.from(packr.pack(life.startedAtMs)).toString('hex'),
        ),
    );
    expect(packr.unpack(bytes)).toHaveLength(7);
  });

  it('keeps meta apart from the message, which may be reused', () => {
    const bytes = withNews(packHeader(header), [packNews(member)]);
    const [news] = (unpackMessage(bytes) as Message).news;
    bytes.fill(0);
    expect((news as Member).meta).toEqual(member.meta);
  });

  it('may have more news than 16 bits count', () => {
    const news = new Array<Uint8Array>(70_000).fill(packNews(claim));
    expect((unpackMessage(withNews(packHeader(header), news)) as Message).news.length).toBe(70_000);
  });

  it('of largest parts fits', () => {
    const names = { name: 'n'.repeat(128), id: 'i'.repeat(64), clientUrl: 'u'.repeat(300) };
    const texts = { ...names, address: 'a'.repeat(270), zone: 'z'.repeat(64) };
    const largest: Member = { ...member, ...texts, meta: new Uint8Array(256) };
    const long = packHeader({ ...header, sender: 'i'.repeat(64), target: 'i'.repeat(64) });
    expect(packNews(largest).length).toBeLessThanOrEqual(roomBeside(long));
    checkIdentity(largest, largest.meta);
  });
});

describe('what makes no sense is told, and not thrown', () => {
  const whole = [0x90, 0, 1n, 'me', 0, '', []];
  const record = [0, 'n', 'i', 1, 1, 'a:1', 'ws://a', '', 1, new Uint8Array(0)];
  const put = (array: unknown[], at: number, value: unknown): unknown[] => array.with(at, value);
  const about = (news: unknown): unknown[] => put(whole, 6, [news]);
  it.each<[unknown, RegExp]>([
    [0x90, /no array of 7/],
    [{ length: 7 }, /no array of 7/],
    [[0x90], /no array of 7/],
    [put(whole, 0, 0x91), /begins with 145/],
    [put(whole, 1, 7), /no kind 7/],
    [put(whole, 1, -1), /its kind is -1/],
    [put(whole, 2, 1), /its stamp is 1/],
    [put(whole, 3, ''), /its sender is empty/],
    [put(whole, 4, 1.5), /its number is 1\.5/],
    [put(whole, 5, 'i'.repeat(65)), /its target is/],
    [put(whole, 6, 'news'), /its news is 'news'/],
    [about([0, 'n']), /no array of 6/],
    [about(put(record, 0, 4)), /no state 4/],
    [about(put(record, 1, 'ü'.repeat(65))), /a name is/],
    [about(put(record, 4, 2 ** 60)), /an incarnation is/],
    [about(put(record, 5, '')), /an address is empty/],
    [about(put(record, 8, 0)), /a weight is 0/],
    [about(put(record, 8, Number.NaN)), /a weight is NaN/],
    [about(put(record, 9, new Uint8Array(257))), /a meta is/],
    [about(put(record, 9, [1])), /a meta is an array/],
  ])('%#', (value, reason) => {
    expect(typeof unpackMessage(packr.pack(whole))).toBe('object');
    expect(unpackMessage(packr.pack(value))).toMatch(reason);
  });

  it('nor any bytes', () => {
    const random = new Random(SEED);
    const good = withNews(packHeader(header), [packNews(member), packNews(claim)]);
    for (let round = 0; round < 20_000; round++) {
      const bytes = random.chance(0.5) ? random.bytes(random.below(200)) : Buffer.from(good);
      for (let change = random.below(4); change >= 0; change--) {
        if (bytes.length > 0) bytes[random.below(bytes.length)] = random.below(256);
      }
      const read = unpackMessage(bytes.subarray(0, random.between(0, bytes.length)));
      if (typeof read === 'string') continue;
      expect(KINDS).toContain(read.kind);
      for (const news of read.news) expect(news.incarnation).toBeGreaterThanOrEqual(0);
    }
    expect(unpackMessage(Buffer.alloc(200_000, 0x91))).toBeTypeOf('string');
    expect(unpackMessage(Buffer.alloc(33 * 1024 * 1024))).toMatch(/it has 34603008 bytes/);
  });
});

it('a node that others could not read is refused, with what is allowed', () => {
  const { state: _, incarnation: __, meta, ...self } = member;
  checkIdentity(self, meta);
  const refused = (change: object, size = 0) =>
    expect(() => checkIdentity({ ...self, ...change }, new Uint8Array(size)));
  refused({ name: '' }).toThrow('a name is empty; allowed are a name of 1 to 128 bytes');
  refused({ weight: -1 }).toThrow('a weight is -1');
  refused({ startedAtMs: 1.5 }).toThrow('a start is 1.5');
  refused({}, 257).toThrow('meta of up to 256 bytes');
});

describe('broadcasts', () => {
  const bytes = (value: number, length = 10): Uint8Array => new Uint8Array(length).fill(value);
  const firsts = (taken: Uint8Array[]): number[] => taken.map(([first]) => first!);

  it('tell what was told least first, of that the newest, each as often as the limit says', () => {
    const broadcasts = new Broadcasts(() => 2);
    broadcasts.add('a', bytes(1));
    broadcasts.add('b', bytes(2));
    expect(firsts(broadcasts.take(10))).toEqual([2]);
    broadcasts.add('c', bytes(3));
    expect(firsts(broadcasts.take(29))).toEqual([3, 1]);
    expect(firsts(broadcasts.take(100, 'c'))).toEqual([2, 1]);
    expect(firsts(broadcasts.take(100))).toEqual([3]);
    expect(broadcasts.size).toBe(0);
    expect(broadcasts.take(100)).toEqual([]);
  });

  it('tell the latest of a name, skip what does not fit, and say when it is done', () => {
    const broadcasts = new Broadcasts(() => 1);
    const done: string[] = [];
    broadcasts.add('a', bytes(1), () => done.push('replaced'));
    broadcasts.add('a', bytes(2, 50), () => done.push('sent'));
    broadcasts.add('b', bytes(3));
    expect(done).toEqual(['replaced']);
    expect(firsts(broadcasts.take(20))).toEqual([3]);
    expect(firsts(broadcasts.take(MESSAGE_BYTES_MAX))).toEqual([2]);
    expect(done).toEqual(['replaced', 'sent']);
  });
});
