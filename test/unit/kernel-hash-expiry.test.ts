/**
 * Fields of hashes that expire: to the millisecond for whoever asks, and without anybody asking, in
 * steps. The clock is the test's, and nothing here waits.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { COMMANDS, type CommandName } from '#engine/commands.js';
import { isFault } from '#engine/frame.js';
import { Failure } from '../model/collection-models.js';
import { frameOf, readReply } from '../model/collection-replies.js';
import { Bench, Entry, Flag, KIB, MIB, Root } from '../support/kernel-memory.js';

const HOUR = 3_600_000;
const TICK_MS = 512;

class Hashes extends Bench {
  ask(name: CommandName, key: string, ...args: unknown[]): unknown {
    const bytes = this.executor.execute(frameOf(name, key, args), undefined);
    if (isFault(bytes)) throw new Error(`closed with ${bytes.reason}`);
    return readReply(Buffer.from(bytes).subarray(1));
  }

  /** Sets fields `f<from>` and so on, a hundred at a time. */
  fill(key: string, from: number, to: number, ttlMs: number | null, value: unknown = 'v'): void {
    for (let i = from; i < to; i += 100) {
      const end = Math.min(i + 100, to);
      const pairs = Array.from({ length: end - i }, (_, j) => [`f${i + j}`, value]).flat();
      expect(this.ask('HSETEX', key, ttlMs, 0, ...pairs)).toBe(true);
    }
  }

  /** Lets upkeep do all that it finds; the calls that took. */
  keepUp(): number {
    let calls = 1;
    while (this.arena.kernel.upkeep(this.arena.slot, this.nowMs) === 0) calls += 1;
    return calls;
  }

  /** Lets time pass to the tick behind an expiry. */
  passTick(expiryMs: number): void {
    this.nowMs = (Math.floor(expiryMs / TICK_MS) + 1) * TICK_MS;
  }

  entryOf(key: string): number {
    return this.memory.entry(Buffer.from(key));
  }

  flagsOf(key: string): number {
    return this.memory.u8(this.entryOf(key) + Entry.flags);
  }

  root(key: string, field: keyof typeof Root): number {
    return this.memory.u32(this.memory.valueAddress(this.entryOf(key)) + Root[field]);
  }

  get usedBytes(): number {
    return this.arena.stats().usedBytes;
  }

  expectSound(): void {
    expect(this.arena.checkIntegrity()).toBeUndefined();
  }
}

let bench: Hashes;
beforeEach(() => {
  bench = new Hashes({ memoryBytes: 64 * MIB, policy: 'none' });
});

/** Packed, and with nodes of its own. */
const SIZES = [
  ['packed', 10],
  ['large', 1000],
] as const;

describe.each(SIZES)('a %s hash', (_, size) => {
  it('loses a field at its millisecond, for every command', () => {
    bench.fill('h', 0, size, null);
    bench.ask('HSETEX', 'h', 100, 0, 'x', 'text', 'n', 5);
    bench.nowMs += 99;
    expect(bench.ask('HTTL', 'h', 'x', 'f0', 'none')).toEqual([1, -1, -2]);
    expect(bench.ask('HGET', 'h', 'x')).toBe('text');
    expect(bench.ask('HLEN', 'h')).toBe(size + 2);
    bench.nowMs += 1;
    // First those that remove nothing.
    expect(bench.ask('HGET', 'h', 'x')).toBeNull();
    expect(bench.ask('HEXISTS', 'h', 'x')).toBe(false);
    expect(bench.ask('HMGET', 'h', 'x', 'f0')).toEqual([null, 'v']);
    expect(bench.ask('HSTRLEN', 'h', 'x')).toBe(0);
    expect(bench.ask('HTTL', 'h', 'x', 'n')).toEqual([-2, -2]);
    expect(bench.ask('HLEN', 'h')).toBe(size);
    expect((bench.ask('HGETALL', 'h') as Map<string, unknown>).size).toBe(size);
    expect(bench.ask('HKEYS', 'h')).toHaveLength(size);
    expect(bench.ask('HVALS', 'h')).toHaveLength(size);
    expect(bench.ask('HRANDFIELD', 'h', size + 2)).toHaveLength(size);
    expect(new Set(bench.ask('HRANDFIELD', 'h', -5 * size) as string[])).not.toContain('x');
    const [, page] = bench.ask('HSCAN', 'h', 0, 10_000) as [number, string[]];
    expect(page).not.toContain('x');
    bench.expectSound();
    expect(bench.ask('HINCRBY', 'h', 'n', 2)).toBe(2);
    expect(bench.ask('HTTL', 'h', 'n')).toEqual([-1]);
    expect(bench.ask('HSETNX', 'h', 'x', 'y')).toBe(true);
    expect(bench.ask('HDEL', 'h', 'x', 'x')).toBe(1);
    bench.expectSound();
  });

  it('counts a field that has expired and is set again as new', () => {
    bench.fill('h', 0, size, null);
    bench.ask('HSETEX', 'h', 10, 0, 'x', 1);
    bench.nowMs += 10;
    expect(bench.ask('HSET', 'h', 'x', 2)).toBe(1);
    expect(bench.ask('HSET', 'h', 'x', 2)).toBe(0);
    expect(bench.ask('HTTL', 'h', 'x')).toEqual([-1]);
  });

  it('takes the conditions of HEXPIRE', () => {
    bench.fill('h', 0, size, null);
    const expire = (ttl: number, condition: unknown, field = 'f1'): unknown =>
      (bench.ask('HEXPIRE', 'h', ttl, condition, field) as unknown[])[0];
    const [NX, XX, GT, LT] = [1, 2, 4, 8] as const;
    expect([expire(50, XX), expire(50, GT), expire(50, XX | LT)]).toEqual([0, 0, 0]);
    expect([expire(50, LT), expire(60, NX), expire(50, GT), expire(50, LT)]).toEqual([1, 0, 0, 0]);
    expect([expire(60, GT), expire(40, XX | LT), expire(70, XX), expire(5, null)]).toEqual([
      1, 1, 1, 1,
    ]);
    expect([expire(0, GT), expire(0, NX), expire(0, LT), expire(0, LT)]).toEqual([0, 0, 2, -2]);
    expect(bench.ask('HLEN', 'h')).toBe(size - 1);
    expect(bench.ask('HEXPIRE', 'none', 9, 0, 'a', 'b')).toEqual([-2, -2]);
    bench.expectSound();
  });

  it('sets all or nothing as the flags of HSETEX say', () => {
    bench.fill('h', 0, size, 500);
    const [FNX, FXX, KEEPTTL] = [1, 2, 4] as const;
    expect(bench.ask('HSETEX', 'h', 9, FNX, 'new', 1, 'f1', 1)).toBe(false);
    expect(bench.ask('HSETEX', 'h', 9, FXX, 'f1', 1, 'new', 1)).toBe(false);
    expect(bench.ask('HEXISTS', 'h', 'new')).toBe(false);
    expect(bench.ask('HSETEX', 'h', null, FXX | KEEPTTL, 'f1', 1, 'f2', 2)).toBe(true);
    expect(bench.ask('HSETEX', 'h', null, KEEPTTL, 'new', 1)).toBe(true);
    expect(bench.ask('HTTL', 'h', 'f1', 'new')).toEqual([500, -1]);
    expect(bench.ask('HSETEX', 'h', 0, 0, 'f1', 1)).toBe(true);
    expect(bench.ask('HTTL', 'h', 'f1')).toEqual([-1]);
    expect(bench.ask('HSETEX', 'none', 9, FXX, 'a', 1)).toBe(false);
    expect(bench.ask('EXISTS', 'none')).toBe(0);
    bench.expectSound();
  });

  it('is gone at the millisecond of its last field, and not before', () => {
    bench.fill('h', 0, size, 1000);
    bench.ask('HEXPIRE', 'h', 2000, 0, 'f7');
    bench.nowMs += 1999;
    expect([bench.ask('EXISTS', 'h'), bench.ask('HLEN', 'h'), bench.ask('TTL', 'h')]).toEqual([
      1, 1, -1,
    ]);
    bench.nowMs += 1;
    expect([bench.ask('EXISTS', 'h'), bench.ask('HLEN', 'h'), bench.ask('TTL', 'h')]).toEqual([
      0, 0, -2,
    ]);
    expect(bench.ask('TYPE', 'h')).toBe('none');
    bench.ask('HSET', 'h', 'a', 1);
    expect(bench.ask('HGETALL', 'h')).toEqual(new Map([['a', 1]]));
    bench.expectSound();
  });

  it('keeps its own expiry apart from those of its fields', () => {
    bench.fill('h', 0, size, 1000);
    expect(bench.ask('EXPIRE', 'h', 5000)).toBe(true);
    expect(bench.ask('TTL', 'h')).toBe(5000);
    expect(bench.ask('HSET', 'h', 'stays', 1)).toBe(1);
    bench.nowMs += 1000;
    expect(bench.ask('HLEN', 'h')).toBe(1);
    expect(bench.ask('TTL', 'h')).toBe(4000);
    expect(bench.ask('HEXPIRE', 'h', 9000, 0, 'stays')).toEqual([1]);
    expect(bench.ask('TTL', 'h')).toBe(4000);
    expect(bench.ask('PERSIST', 'h')).toBe(true);
    expect(bench.ask('PERSIST', 'h')).toBe(false);
    expect(bench.ask('TTL', 'h')).toBe(-1);
    bench.nowMs += 8999;
    expect(bench.ask('EXISTS', 'h')).toBe(1);
    bench.nowMs += 1;
    expect(bench.ask('EXISTS', 'h')).toBe(0);
    bench.expectSound();
  });

  it.each(['COPY', 'RENAME'] as const)('takes its times along by %s', (name) => {
    bench.fill('h', 0, size, 1000);
    bench.fill('h', size, size + 3, null);
    bench.ask('HSETEX', 'h', 10, 0, 'gone', 1);
    bench.ask('EXPIRE', 'h', HOUR);
    bench.nowMs += 10;
    expect(bench.ask(name, 'h', 'other')).toBe(true);
    expect(bench.ask('EXISTS', 'h')).toBe(name === 'COPY' ? 1 : 0);
    expect(bench.ask('TTL', 'other')).toBe(HOUR - 10);
    expect(bench.ask('HTTL', 'other', 'f0', `f${size}`, 'gone')).toEqual([990, -1, -2]);
    expect(bench.ask('HLEN', 'other')).toBe(size + 3);
    bench.expectSound();
    bench.nowMs += 990;
    expect(bench.ask('HLEN', 'other')).toBe(3);
  });

  it('costs nothing more when no field of it expires any more', () => {
    bench.fill('h', 0, size, null);
    const bytes = (bench.ask('OBJECT', 'h') as Map<string, unknown>).get('bytes');
    expect(bench.flagsOf('h') & Flag.EXPIRY).toBe(0);
    bench.ask('HEXPIRE', 'h', HOUR, 0, 'f1', 'f2');
    expect(bench.flagsOf('h') & Flag.EXPIRY).toBe(Flag.EXPIRY);
    expect(bench.ask('HPERSIST', 'h', 'f1', 'f2', 'f3', 'x')).toEqual([1, 1, -1, -2]);
    expect(bench.flagsOf('h') & Flag.EXPIRY).toBe(0);
    expect((bench.ask('OBJECT', 'h') as Map<string, unknown>).get('bytes')).toBe(bytes);
    bench.expectSound();
  });

  it('loses fields that nobody asks for, by and by', () => {
    const ttls = [1, 511, 512, 9000, 140_000, 10 * HOUR, 240 * HOUR];
    bench.fill('h', 0, size, null);
    for (const [i, ttl] of ttls.entries()) bench.ask('HSETEX', 'h', ttl, 0, `x${i}`, 'x');
    const start = bench.nowMs;
    const counted = (): number =>
      size > 100
        ? bench.root('h', 'count')
        : bench.memory.u16(bench.memory.valueAddress(bench.entryOf('h'))) & 0x7fff;
    for (const [i, ttl] of ttls.entries()) {
      bench.passTick(start + ttl);
      bench.keepUp();
      // The one at 511 may go with the one at 1: they may be of one tick.
      const left = ttls.filter((other) => start + other > bench.nowMs).length;
      expect([i, counted()]).toEqual([i, size + left]);
      bench.expectSound();
    }
    expect(bench.flagsOf('h') & Flag.EXPIRY).toBe(0);
  });

  it('may have its key changed while fields expire', () => {
    bench.fill('h', 0, size, 100);
    bench.ask('SET', 'h', 'text', null, 4);
    expect(bench.ask('TTL', 'h')).toBe(-1);
    bench.fill('g', 0, size, 100);
    bench.ask('EXPIRE', 'g', 777);
    bench.ask('SET', 'g', 'text', null, 4);
    expect(bench.ask('TTL', 'g')).toBe(777);
    bench.expectSound();
  });

  it('returns values as it takes them, or nothing is done', () => {
    bench.fill('h', 0, size, 100);
    expect(bench.ask('HGETDEL', 'h', 'f1', 'x', 'f1')).toEqual(['v', null, null]);
    expect(bench.ask('HGETEX', 'h', null, 'f2', 'f1')).toEqual(['v', null]);
    expect(bench.ask('HTTL', 'h', 'f2')).toEqual([100]);
    expect(bench.ask('HGETEX', 'h', 0, 'f2')).toEqual(['v']);
    expect(bench.ask('HTTL', 'h', 'f2')).toEqual([-1]);
    expect(bench.ask('HGETEX', 'h', 50, 'f2', 'f3')).toEqual(['v', 'v']);
    expect(bench.ask('HTTL', 'h', 'f2', 'f3')).toEqual([50, 50]);
    expect(bench.ask('HGETDEL', 'none', 'a', 'b')).toEqual([null, null]);
    const long = 'z'.repeat(300 * KIB);
    for (const field of ['a', 'b', 'c', 'd']) bench.ask('HSET', 'h', field, long);
    for (const reply of [
      bench.ask('HGETDEL', 'h', 'a', 'b', 'c', 'd', 'a', 'b', 'c', 'd'),
      bench.ask('HGETEX', 'h', 5, 'a', 'b', 'c', 'd', 'a', 'b', 'c', 'd'),
    ]) {
      expect(reply).toEqual(new Failure('TOOLARGE'));
    }
    expect(bench.ask('HTTL', 'h', 'a', 'd')).toEqual([-1, -1]);
    bench.expectSound();
  });
});

describe('a long value', () => {
  it.each([20, 1000, 1025, 20_000])('of %i bytes stays as its field expires', (bytes) => {
    const value = 'v'.repeat(bytes);
    // So that nodes are full, and items must be moved to others.
    const names = Array.from({ length: 60 }, (_, i) =>
      `${i} `.padEnd(10 + ((i * 977) % 3900), 'n'),
    );
    for (const name of names) bench.ask('HSET', 'h', name, value);
    for (const round of [1, 2, 3]) {
      for (const [i, name] of names.entries()) {
        expect(bench.ask('HEXPIRE', 'h', 1000 * round + i, 0, name)).toEqual([1]);
        bench.expectSound();
      }
      if (round === 2) expect(bench.ask('HPERSIST', 'h', ...names.slice(20))).not.toContain(-1);
      bench.expectSound();
      for (const name of names) expect(bench.ask('HGET', 'h', name)).toBe(value);
    }
    bench.nowMs += 3030;
    expect(bench.ask('HLEN', 'h')).toBe(29);
    expect(bench.ask('HDEL', 'h', ...names)).toBe(29);
    bench.keepUp();
    expect(bench.arena.stats().entries).toBe(0);
    bench.expectSound();
  });
});

describe('a node that is full but for four bytes', () => {
  // Three items make it so, with their tags, lengths, heads, and 9 bytes for what stands outside.
  it.each([
    [1000, 1715],
    [20_000, 2709],
  ])('gives a field away that gets an expiry (values of %i bytes)', (bytes, nameBytes) => {
    const names = Array.from({ length: 120 }, (_, i) => `${i} `.padEnd(nameBytes, 'n'));
    const valueIn = (name: string): string => name.slice(0, 4).padEnd(bytes, 'v');
    for (const name of names) bench.ask('HSET', 'h', name, valueIn(name));
    for (const [i, name] of names.entries()) {
      expect(bench.ask('HEXPIRE', 'h', 1000 + i, 0, name)).toEqual([1]);
      bench.expectSound();
    }
    for (const name of names) expect(bench.ask('HGET', 'h', name)).toBe(valueIn(name));
    bench.nowMs += 1059;
    expect(bench.ask('HDEL', 'h', ...names)).toBe(60);
    bench.expectSound();
  });
});

describe('very many fields that expire at once', () => {
  const MANY = 200_000;

  it('are gone at once with their hash', () => {
    bench.fill('h', 0, MANY, 1000);
    bench.nowMs += 1000;
    expect(bench.ask('EXISTS', 'h')).toBe(0);
    expect(bench.ask('HLEN', 'h')).toBe(0);
    bench.ask('HSET', 'h', 'a', 1);
    expect(bench.ask('HLEN', 'h')).toBe(1);
  });

  it('go in steps, and nobody sees one of them meanwhile', () => {
    const { arena } = bench;
    bench.fill('h', 0, MANY, 1000);
    bench.fill('h', MANY, MANY + 10, null);
    const full = bench.usedBytes;
    bench.passTick(bench.nowMs + 1000);
    expect(bench.ask('HLEN', 'h')).toBe(10);
    expect(bench.ask('HGETALL', 'h')).toHaveProperty('size', 10);
    expect(bench.ask('HRANDFIELD', 'h', 20)).toHaveLength(10);
    expect(bench.ask('HRANDFIELD', 'h')).toMatch(/^f20000\d$/);
    let calls = 0;
    let most = 0;
    let before = bench.root('h', 'count');
    expect(before).toBe(MANY + 10);
    while (arena.kernel.upkeep(arena.slot, bench.nowMs) === 0) {
      const after = bench.root('h', 'count');
      most = Math.max(most, before - after);
      before = after;
      calls += 1;
      if (calls % 100 === 0) {
        bench.expectSound();
        expect(bench.ask('HLEN', 'h')).toBe(10);
      }
    }
    // What one call removes, whose time is that of some hundred writes.
    expect(most).toBeLessThanOrEqual(320);
    expect(calls).toBeGreaterThan(MANY / 400);
    expect(bench.root('h', 'count')).toBe(10);
    expect(bench.usedBytes).toBeLessThan(full / 4);
    expect(bench.flagsOf('h') & Flag.EXPIRY).toBe(0);
    bench.expectSound();
  });

  it('are removed some at a time by writers, too', () => {
    bench.fill('h', 0, 5000, 1000);
    bench.fill('h', 5000, 5010, null);
    bench.nowMs += 1000;
    for (let i = 0; i < 100; i++) {
      const before = bench.root('h', 'count');
      expect(bench.ask('HSET', 'h', 'f4999', i)).toBe(i === 0 ? 1 : 0);
      const removed = before - bench.root('h', 'count');
      expect(removed).toBeGreaterThan(20);
      expect(removed).toBeLessThanOrEqual(33);
      expect(bench.ask('HLEN', 'h')).toBe(11);
    }
    bench.expectSound();
  });

  it('leave room before anything is refused', () => {
    bench = new Hashes({ memoryBytes: 4 * MIB, policy: 'none' });
    bench.fill('h', 0, 20_000, 1000, 'v'.repeat(60));
    bench.ask('HSET', 'h', 'stays', 1);
    bench.passTick(bench.nowMs + 1000);
    bench.fill('other', 0, 20_000, null, 'v'.repeat(60));
    expect([bench.ask('HLEN', 'h'), bench.ask('HLEN', 'other')]).toEqual([1, 20_000]);
    bench.expectSound();
  });
});

describe('without memory', () => {
  it('nothing changes', () => {
    bench = new Hashes({ memoryBytes: 2 * MIB, policy: 'none' });
    bench.fill('large', 0, 500, null);
    for (let i = 0; i < 40; i++) bench.ask('HSET', `packed ${i}`, 'a', 'x'.repeat(i * 7), 'b', i);
    const fill = (bytes: number): void => {
      for (let i = 0; ; i++) {
        if (bench.ask('SET', `${bytes} ${i}`, 'z'.repeat(bytes)) instanceof Failure) return;
      }
    };
    for (const bytes of [60_000, 8000, 4000, 2000, 1000, 500, 250, 120, 60, 30, 10, 1]) fill(bytes);
    const failed = new Failure('OOM');
    let refused = 0;
    for (let i = 0; i < 500; i++) {
      const key = i % 10 === 0 ? `packed ${i % 40}` : 'large';
      const field = i % 10 === 0 ? 'b' : `f${i}`;
      const value = bench.ask('HGET', key, field);
      const [ttl] = bench.ask('HTTL', key, field) as number[];
      const reply = bench.ask('HEXPIRE', key, 5000 + i, 0, field);
      bench.expectSound();
      if (reply instanceof Failure) {
        expect(reply).toEqual(failed);
        expect(bench.ask('HTTL', key, field)).toEqual([ttl]);
        refused += 1;
      } else {
        expect(bench.ask('HTTL', key, field)).toEqual([5000 + i]);
      }
      expect(bench.ask('HGET', key, field)).toBe(value);
    }
    expect(refused).toBeGreaterThan(50);
    expect(bench.ask('HSETEX', 'large', 5, 0, 'new', 'x'.repeat(9000))).toEqual(failed);
    bench.expectSound();
    expect(bench.ask('HEXISTS', 'large', 'new')).toBe(false);
    expect(bench.ask('HLEN', 'large')).toBe(500);
  });
});

describe('bad input', () => {
  const TTL = /^SYNTAX HEXPIRE takes a TTL of 0 to/;
  const CONDITION = /^SYNTAX a condition is nil or/;
  const FLAGS = /^SYNTAX flags are nil or a sum of 1 FNX/;
  const MEMBER = /^SYNTAX a member or field/;
  it.each<[RegExp, CommandName, unknown[]]>([
    [TTL, 'HEXPIRE', [null, 0, 'f']],
    [TTL, 'HEXPIRE', [-1, 0, 'f']],
    [TTL, 'HEXPIRE', [1.5, 0, 'f']],
    [TTL, 'HEXPIRE', [3_153_600_000_001, 0, 'f']],
    [CONDITION, 'HEXPIRE', [5, 16, 'f']],
    [CONDITION, 'HEXPIRE', [5, 3, 'f']],
    [CONDITION, 'HEXPIRE', [5, 12, 'f']],
    [CONDITION, 'HEXPIRE', [5, 5, 'f']],
    [CONDITION, 'HEXPIRE', [5, 'NX', 'f']],
    [MEMBER, 'HEXPIRE', [5, 0, 'f', 1.5]],
    [MEMBER, 'HPERSIST', ['f', null]],
    [MEMBER, 'HTTL', [[]]],
    [/^SYNTAX a TTL is nil/, 'HSETEX', [-1, 0, 'f', 1]],
    [FLAGS, 'HSETEX', [5, 8, 'f', 1]],
    [FLAGS, 'HSETEX', [5, 3, 'f', 1]],
    [FLAGS, 'HSETEX', [5, 4, 'f', 1]],
    [FLAGS, 'HSETEX', [5, 'FNX', 'f', 1]],
    [/^SYNTAX HSET and HSETEX take pairs/, 'HSETEX', [5, 0, 'f', 1, 'g']],
    [MEMBER, 'HSETEX', [5, 0, 'f', 1, null, 1]],
    [/^TOOLARGE/, 'HSETEX', [5, 0, 'f', 'x'.repeat(MIB + 1)]],
    [/^SYNTAX a TTL is nil/, 'HGETEX', ['5', 'f']],
    [MEMBER, 'HGETEX', [5, 'f', false]],
    [MEMBER, 'HGETDEL', ['f', 1.5]],
    [/^SYNTAX wrong number/, 'HEXPIRE', [5, 0]],
    [/^SYNTAX wrong number/, 'HSETEX', [5, 0, 'f']],
  ])('is refused: %s %s', (message, name, args) => {
    bench.ask('HSETEX', 'h', 700, 0, 'f', 1);
    bench.ask('SET', 'text', 1);
    const bytes = bench.executor.execute(frameOf(name, 'h', args), undefined);
    expect(isFault(bytes)).toBe(false);
    expect(Buffer.from(bytes as Uint8Array).toString('utf8', 4)).toMatch(message);
    expect(bench.ask('HGETALL', 'h')).toEqual(new Map([['f', 1]]));
    expect(bench.ask('HTTL', 'h', 'f')).toEqual([700]);
    bench.expectSound();
  });

  it('is another type', () => {
    bench.ask('SET', 'text', 1);
    bench.ask('SADD', 'set', 1);
    const calls: [CommandName, unknown[]][] = [
      ['HEXPIRE', [5, 0, 'f']],
      ['HPERSIST', ['f']],
      ['HTTL', ['f']],
      ['HSETEX', [5, 0, 'f', 1]],
      ['HGETEX', [5, 'f']],
      ['HGETDEL', ['f']],
    ];
    expect(calls.map(([name]) => COMMANDS[name].code)).toEqual([128, 129, 130, 131, 132, 133]);
    for (const [name, args] of calls) {
      expect(bench.ask(name, 'text', ...args)).toEqual(new Failure('WRONGTYPE'));
      expect(bench.ask(name, 'set', ...args)).toEqual(new Failure('WRONGTYPE'));
    }
  });
});
