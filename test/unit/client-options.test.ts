import { describe, expect, it } from 'vitest';
import { backoffMs } from '#client/backoff.js';
import { Emitter } from '#client/emitter.js';
import { checkUrl, readOptions } from '#client/options.js';

describe('options', () => {
  it('have the documented defaults', () => {
    expect(readOptions()).toEqual({
      token: undefined,
      user: undefined,
      name: 'slabring-js',
      ttlMs: 0,
      timeoutMs: 1_000,
      routes: true,
      retry: true,
      session: {
        concern: 'none',
        deadlineMs: 500,
        read: 'primary',
        hedgeMs: 0,
        readYourWrites: false,
      },
      connectTimeoutMs: 5_000,
      reconnect: true,
      reconnectDelayMs: 50,
      reconnectDelayMaxMs: 5_000,
      queueLimit: 10_000,
      bufferLimitBytes: 64 * 1024 ** 2,
      frameBytes: 256 * 1024,
      frameCommands: 1_000,
      socketFactory: undefined,
    });
  });

  it('read durations and sizes as people write them', () => {
    expect(
      readOptions({ timeout: '2s', ttl: '5m', bufferLimit: '1mb', frameBytes: '64kb' }),
    ).toMatchObject({
      timeoutMs: 2_000,
      ttlMs: 300_000,
      bufferLimitBytes: 1024 ** 2,
      frameBytes: 65_536,
    });
  });

  it.each([
    [{ timeuot: 5 }, /timeuot.*timeout/],
    [{ timeout: -1 }, /^timeout must/],
    [{ timeout: '5 parsecs' }, /^timeout must/],
    [{ timeout: 2 ** 31 }, /^timeout must be at most/],
    [{ connectTimeout: Number.NaN }, /^connectTimeout must/],
    [{ queueLimit: 1.5 }, /^queueLimit must/],
    [{ queueLimit: -1 }, /^queueLimit must/],
    [{ frameCommands: 0 }, /^frameCommands must/],
    [{ frameBytes: 'big' }, /^frameBytes must/],
    [{ bufferLimit: -5 }, /^bufferLimit must/],
    [{ token: 5 }, /^token must be a string/],
    [{ user: {} }, /^user must be a string/],
    [{ name: 5 }, /^name must be a string/],
    [{ reconnect: 'yes' }, /^reconnect must be true or false/],
    [{ reconnectDelay: 100, reconnectDelayMax: 50 }, /reconnectDelayMax/],
    [{ socketFactory: 'ws' }, /^socketFactory must be a function/],
    [5, /options/],
    [null, /options/],
  ])('%j is refused', (options, message) => {
    expect(() => readOptions(options as object)).toThrow(
      expect.objectContaining({ code: 'OPTION', message: expect.stringMatching(message) }),
    );
  });

  it('take only WebSocket addresses', () => {
    for (const url of ['ws://127.0.0.1:7707', 'wss://cache.example/', 'ws+unix:/tmp/a.sock:/']) {
      expect(checkUrl(url)).toBe(url);
    }
    for (const url of ['', '127.0.0.1:7707', 'http://127.0.0.1', 'redis://x', 5, undefined]) {
      expect(() => checkUrl(url as string)).toThrow(/^url must be like/);
    }
  });
});

describe('backoff', () => {
  it('doubles up to the maximum, jittered over the upper half', () => {
    const low = Array.from({ length: 9 }, (_, attempt) => backoffMs(attempt, 50, 5_000, () => 0));
    const high = Array.from({ length: 9 }, (_, attempt) => backoffMs(attempt, 50, 5_000, () => 1));
    expect(low).toEqual([25, 50, 100, 200, 400, 800, 1600, 2500, 2500]);
    expect(high).toEqual([50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    expect(backoffMs(10_000, 50, 5_000, () => 1)).toBe(5_000);
  });
});

describe('emitter', () => {
  it('calls listeners until they are taken away', () => {
    const emitter = new Emitter<{ tick: number }>();
    const seen: number[] = [];
    const stop = emitter.on('tick', (n) => seen.push(n));
    emitter.on('tick', (n) => seen.push(-n));
    emitter.emit('tick', 1);
    stop();
    emitter.emit('tick', 2);
    expect(seen).toEqual([1, -1, -2]);
  });
});
