/**
 * The client against a stand-in server: what it sends, what it makes of replies, and what it does
 * when things fail.
 */
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Client, connect } from '#client/client.js';
import type { ClientOptions } from '#client/options.js';
import { type SeenFrame, StandIn, type StandInOptions } from './client-stand-in.js';

const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(options?: StandInOptions): Promise<StandIn> {
  const server = await StandIn.start(options);
  cleanups.push(() => server.close());
  return server;
}

function open(url: string, options?: ClientOptions): Client {
  const client = new Client(url, options);
  cleanups.push(() => client.close({ wait: false }));
  return client;
}

async function pair(
  options?: ClientOptions,
  serverOptions?: StandInOptions,
): Promise<{ server: StandIn; client: Client }> {
  const server = await start(serverOptions);
  const client = open(server.url, options);
  await client.ready();
  return { server, client };
}

/** An address where nobody listens. */
async function deadUrl(): Promise<string> {
  const server = await StandIn.start();
  await server.close();
  return server.url;
}

/** Resolves to the detail of the next `event`. */
function next<T = unknown>(client: Client, event: Parameters<Client['on']>[0]): Promise<T> {
  return new Promise((resolve) => {
    const stop = client.on(event, (detail) => {
      stop();
      resolve(detail as T);
    });
  });
}

const names = (frame: SeenFrame) => frame.commands.map(([name]) => name);
const failsWith = (code: string, message: RegExp = /./) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

/**
 * A rejection handler now, the expectation later: a promise must not be seen as unhandled
 * meanwhile.
 */
function outcome(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => ({ value }),
    (error) => error,
  );
}

describe('commands', () => {
  it('mean what the methods of Cache of the same name mean', async () => {
    const { client } = await pair();
    expect(await client.ping()).toBe('PONG');
    expect(await client.get('a')).toBeUndefined();
    expect(await client.set('a', { deep: [1, 'x', null] })).toBe(true);
    expect(await client.get('a')).toEqual({ deep: [1, 'x', null] });
    expect(await client.get(Uint8Array.of(97))).toEqual({ deep: [1, 'x', null] });
    expect(await client.has('a')).toBe(true);
    expect(await client.has('b')).toBe(false);
    expect(await client.touch('a')).toBe(true);
    expect(await client.delete('a')).toBe(true);
    expect(await client.delete('a')).toBe(false);
  });

  it('carry the options of set', async () => {
    const { client, server } = await pair();
    expect(await client.set('a', 1, { ifPresent: true })).toBe(false);
    expect(await client.set('a', 1, { ifAbsent: true, ttl: '1m' })).toBe(true);
    expect(await client.set('a', 2, { ifAbsent: true })).toBe(false);
    expect(await client.set('a', 3, { keepTtl: true })).toBe(true);
    expect(await client.ttl('a')).toBeGreaterThan(50_000);
    const { value, version } = (await client.getVersioned('a'))!;
    expect(value).toBe(3);
    expect(await client.set('a', 4, { ifVersion: Number(version) - 1 })).toBe(false);
    expect(await client.set('a', 4, { ifVersion: version })).toBe(true);
    expect(await client.swap('a', 5)).toBe(4);
    expect(await client.swap('new', 5)).toBeUndefined();
    expect(await client.getVersioned('gone')).toBeUndefined();
    const sets = server.frames.flatMap((frame) => frame.commands).filter(([n]) => n === 'SET');
    expect(sets.map((command) => command.slice(3))).toEqual([
      [0, 2],
      [60_000, 1],
      [0, 1],
      [0, 4],
      [0, 16, Number(version) - 1],
      [0, 16, version],
      [0, 8],
      [0, 8],
    ]);
  });

  it('count time to live as Cache does', async () => {
    const { client } = await pair();
    expect(await client.ttl('a')).toBeUndefined();
    expect(await client.expire('a', 5)).toBe(false);
    await client.set('a', 1);
    expect(await client.ttl('a')).toBe(Number.POSITIVE_INFINITY);
    expect(await client.persist('a')).toBe(false);
    expect(await client.expire('a', '1h')).toBe(true);
    expect(await client.ttl('a')).toBeGreaterThan(3_500_000);
    expect(await client.persist('a')).toBe(true);
    expect(await client.ttl('a')).toBe(Number.POSITIVE_INFINITY);
  });

  it('apply the default time to live of the client', async () => {
    const { client, server } = await pair({ ttl: '10s' });
    await Promise.all([
      client.set('a', 1),
      client.set('b', 1, { ttl: 5 }),
      client.set('c', 1, { ttl: 0 }),
      client.set('d', 1, { keepTtl: true }),
      client.setMany([['e', 1]]),
      client.increment('f'),
    ]);
    expect(server.frames[0]!.commands).toEqual([
      ['SET', 'a', 1, 10_000],
      ['SET', 'b', 1, 5],
      ['SET', 'c', 1],
      ['SET', 'd', 1, 0, 4],
      ['SET', 'e', 1, 10_000],
      ['INCR', 'f', 1, 10_000],
    ]);
  });

  it('count', async () => {
    const { client } = await pair();
    expect(await client.increment('n')).toBe(1);
    expect(await client.increment('n', 41, { ttl: 60_000 })).toBe(42);
    expect(await client.ttl('n')).toBe(Number.POSITIVE_INFINITY);
    expect(await client.increment('n', -2)).toBe(40);
    expect(await client.increment('m', 1, { ttl: 60_000 })).toBe(1);
    expect(await client.ttl('m')).toBeLessThan(60_001);
    await client.set('n', 2 ** 40);
    expect(await client.increment('n')).toBe(2 ** 40 + 1);
    await client.set('n', 2n ** 62n);
    expect(await client.increment('n', 2n ** 60n)).toBe(2n ** 62n + 2n ** 60n);
    await client.set('n', 'x');
    await expect(client.increment('n')).rejects.toEqual(failsWith('WRONGTYPE'));
  });

  it('move bytes', async () => {
    const { client } = await pair();
    const bytes = Uint8Array.from({ length: 70_000 }, (_, i) => i);
    expect(await client.setBytes('a', bytes)).toBe(true);
    expect(isDeepStrictEqual(await client.getBytes('a'), bytes)).toBe(true);
    expect(isDeepStrictEqual(await client.get('a'), bytes)).toBe(true);
    await client.set('s', 'zwölf');
    expect(await client.getBytes('s')).toEqual(new TextEncoder().encode('zwölf'));
    expect(await client.getBytes('gone')).toBeUndefined();
    await client.set('n', 5);
    await expect(client.getBytes('n')).rejects.toEqual(failsWith('WRONGTYPE'));
    await expect(client.setBytes('a', 'text' as never)).rejects.toEqual(failsWith('OPTION'));
  });

  it('go in bulk, in order, over as many frames as it takes', async () => {
    const { client, server } = await pair({ frameCommands: 50 });
    const keys = Array.from({ length: 1_234 }, (_, i) => `key ${i}`);
    const stored = await client.setMany(keys.map((key, i) => [key, i] as const));
    expect(stored).toEqual(keys.map(() => true));
    expect(server.frames).toHaveLength(25);
    expect(await client.getMany(['x', ...keys, 'y'])).toEqual([
      undefined,
      ...keys.map((_, i) => i),
      undefined,
    ]);
    expect(await client.getMany(new Set(['key 1', 'key 0']))).toEqual([1, 0]);
    expect(await client.hasMany([...keys, 'x', 'key 1'])).toBe(1_235);
    expect(await client.touchMany(keys.slice(0, 3))).toBe(3);
    expect(await client.deleteMany([...keys, 'key 1'])).toBe(1_234);
    expect(await client.getMany([])).toEqual([]);
    expect(await client.setMany([])).toEqual([]);
    expect(await client.deleteMany([])).toBe(0);
  });

  it('can be sent by name', async () => {
    const { client, server } = await pair();
    expect(await client.send('SET', 'a', [1], undefined, 8)).toBeNull();
    expect(await client.send('GET', 'a')).toEqual([1]);
    expect(server.frames[0]!.commands[0]).toEqual(['SET', 'a', [1], null, 8]);
    await expect(client.send('FLY' as never)).rejects.toEqual(failsWith('OPTION', /FLY.*GET/));
  });

  it('with wrong arguments are rejected, and leave the others of their frame alone', async () => {
    const { client, server } = await pair();
    const wrong = [
      outcome(client.get('')),
      outcome(client.get(5 as never)),
      outcome(client.set('a', undefined)),
      outcome(client.set('a', 1, { tll: 5 } as never)),
      outcome(client.set('a', 1, { ttl: -1 })),
      outcome(client.expire('a', 'soon')),
      outcome(client.increment('a', 0.5)),
      outcome(client.getMany('abc')),
      outcome(client.getMany(['a', ''])),
      outcome(client.deleteMany(5 as never)),
      outcome(client.increment('a', 1, { tlt: 5 } as never)),
    ];
    expect(await client.set('b', 1)).toBe(true);
    for (const result of await Promise.all(wrong)) expect(result).toEqual(failsWith('OPTION'));
    // What precedes the fault inside one bulk call is sent.
    expect(server.frames.flatMap((frame) => frame.commands)).toEqual([
      ['GET', 'a'],
      ['SET', 'b', 1],
    ]);
    const quiet = outcome(client.get(''));
    expect(await quiet).toEqual(failsWith('OPTION'));
    expect(client.outstanding).toBe(0);
  });

  it('may be called by the code of a value while it is being stored', async () => {
    const { client } = await pair({ frameCommands: 2 });
    const inner: Promise<unknown>[] = [];
    const value = (n: number) => ({
      get field() {
        for (let i = 0; i < 3; i++) inner.push(client.set(`inner ${n} ${i}`, { deep: [n, i] }));
        return n;
      },
    });
    expect(await client.set('a', value(1))).toBe(true);
    expect(
      await client.setMany([
        ['b', value(2)],
        ['c', value(3)],
      ]),
    ).toEqual([true, true]);
    expect(await client.send('SET', 'd', value(4))).toBe(true);
    await Promise.all(inner);
    expect(await client.getMany(['a', 'b', 'c', 'd'])).toEqual(
      [1, 2, 3, 4].map((n) => ({ field: n })),
    );
    for (const n of [1, 2, 3, 4])
      expect(await client.get(`inner ${n} 2`)).toEqual({ deep: [n, 2] });
  });

  it('snapshot their values when they are called', async () => {
    const { client } = await pair();
    const value = { n: 1 };
    const stored = client.set('a', value);
    value.n = 2;
    await stored;
    expect(await client.get('a')).toEqual({ n: 1 });
  });
});

describe('frames', () => {
  it('hold the commands of one turn, and of what one reply frame sets off', async () => {
    const { client, server } = await pair();
    const chain = async (i: number) => {
      await client.set(`a${i}`, i);
      // Chains of different length between the commands still meet in one frame.
      for (let hops = 0; hops < i % 7; hops++) await undefined;
      return client.get(`a${i}`);
    };
    const values = await Promise.all(Array.from({ length: 50 }, (_, i) => chain(i)));
    expect(values).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(server.frames.map(names)).toEqual([
      new Array(50).fill('SET'),
      new Array(50).fill('GET'),
    ]);
  });

  it('leave early when they hold enough commands', async () => {
    const { client, server } = await pair({ frameCommands: 10 });
    await Promise.all(Array.from({ length: 25 }, (_, i) => client.get(`k${i}`)));
    expect(server.frames.map((frame) => frame.commands.length)).toEqual([10, 10, 5]);
  });

  it('hold fewer commands where replies are long', async () => {
    const { client, server } = await pair();
    const value = 'x'.repeat(10_000);
    server.store.set('long', { value, version: 1, expiresAtMs: Number.POSITIVE_INFINITY });
    const batch = () => client.getMany(new Array(300).fill('long'));
    for (let i = 0; i < 3; i++) await batch();
    const lengths = server.frames.map((frame) => frame.commands.length);
    // Long replies are a surprise once; from then on, as many as 256 KiB hold of replies of 10,000
    // bytes.
    expect(lengths.slice(0, 6)).toEqual(new Array(6).fill(50));
    expect(new Set(lengths.slice(6))).toEqual(new Set([26, 14]));
    const small = () => Promise.all(Array.from({ length: 1_000 }, () => client.has('long')));
    for (let i = 0; i < 40; i++) await small();
    expect(server.frames.at(-1)!.commands).toHaveLength(1_000);
    // Replies that were too long may be why a connection was lost: it must not happen again and
    // again.
    const connected = next(client, 'connect');
    server.drop();
    await connected;
    await batch();
    expect(server.frames.at(-1)!.commands).toHaveLength(50);
  });

  it('leave early when they hold enough bytes, large commands alone', async () => {
    const { client, server } = await pair({ frameBytes: 1_000 });
    const sizes = [400, 400, 400, 5_000, 10, 10, 2_000, 2_000];
    await Promise.all(sizes.map((size, i) => client.set(`k${i}`, 'x'.repeat(size))));
    const lengths = server.frames.map((f) => f.commands.map((c) => (c[2] as string).length));
    expect(lengths).toEqual([[400, 400], [400], [5_000], [10, 10], [2_000], [2_000]]);
    for (const [i, size] of sizes.entries()) {
      expect(await client.get(`k${i}`)).toBe('x'.repeat(size));
    }
  });

  it('keep to the longest message that the server takes', async () => {
    const { client, server } = await pair({}, { limits: { maxMessageBytes: 2_000 } });
    const tooLarge = outcome(client.set('big', 'x'.repeat(3_000)));
    await Promise.all(Array.from({ length: 8 }, (_, i) => client.set(`k${i}`, 'x'.repeat(500))));
    expect(await tooLarge).toEqual(failsWith('TOOLARGE', /3\d\d\d bytes.*2000/));
    expect(Math.max(...server.frames.map((frame) => frame.bytes.length))).toBeLessThan(2_001);
    expect(server.frames.flatMap(names)).toHaveLength(8);
  });

  it('may be answered in any order', async () => {
    const { client, server } = await pair({ frameCommands: 2 });
    const held: SeenFrame[] = [];
    server.onFrame = (frame) => held.push(frame);
    const order: number[] = [];
    const pings = Array.from({ length: 6 }, (_, i) =>
      client.send('INCR', `n${i}`, i).then((sum) => {
        order.push(i);
        return sum;
      }),
    );
    await server.seen(3);
    for (const frame of [held[2]!, held[0]!, held[1]!]) frame.answer();
    expect(await Promise.all(pings)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(order).toEqual([4, 5, 0, 1, 2, 3]);
  });

  it('carry errors in the place of a reply; the commands after it have theirs', async () => {
    const { client, server } = await pair();
    server.onFrame = (frame) =>
      frame.answer(
        server.reply(frame.id, [
          'one',
          new Error('OOM the arena is full'),
          null,
          new Error('BUSY'),
        ]),
      );
    const replies = await Promise.all([
      outcome(client.get('a')),
      outcome(client.set('b', 1)),
      outcome(client.get('c')),
      outcome(client.get('d')),
    ]);
    expect(replies).toEqual([
      { value: 'one' },
      failsWith('OOM', /^the arena is full$/),
      { value: undefined },
      expect.objectContaining({ code: 'BUSY' }),
    ]);
  });

  it('reject a bulk call with its first error, and go on', async () => {
    const { client, server } = await pair();
    server.onFrame = (frame) =>
      frame.answer(
        server.reply(frame.id, [1, new Error('OOM first'), new Error('OOM second'), 4, 'after']),
      );
    const bulk = outcome(client.getMany(['a', 'b', 'c', 'd']));
    expect(await client.get('e')).toBe('after');
    expect(await bulk).toEqual(failsWith('OOM', /first/));
  });

  it('wait here while too much is on its way, and leave as replies come', async () => {
    const { client, server } = await pair(
      { frameBytes: 100 },
      { limits: { maxBacklogBytes: 4_000 } },
    );
    const held: SeenFrame[] = [];
    server.onFrame = (frame) => held.push(frame);
    // Frames of about 110 bytes that count as 366: six pass the window of 2,000 bytes.
    const sets = Array.from({ length: 20 }, (_, i) => client.set(`k${i}`, 'x'.repeat(100)));
    await server.seen(6);
    await server.roundTrip();
    expect(held).toHaveLength(6);
    server.onFrame = undefined;
    for (const frame of held) frame.answer();
    expect(await Promise.all(sets)).toEqual(new Array(20).fill(true));
  });

  it('with large values arrive whole', async () => {
    const { client } = await pair();
    const values = [1, 2, 3].map((n) => new Uint8Array(n * 1024 ** 2 - 7).fill(n));
    await Promise.all(values.map((value, i) => client.setBytes(`big${i}`, value)));
    const back = await client.getMany<Uint8Array>(values.map((_, i) => `big${i}`));
    back.forEach((value, i) => {
      expect(Buffer.compare(value!, values[i]!)).toBe(0);
    });
  });
});

describe('deadlines', () => {
  it('reject what is not answered in time, and a late reply does no harm', async () => {
    const { client, server } = await pair({ timeout: 60 });
    let held: SeenFrame | undefined;
    server.onFrame = (frame) => {
      held = frame;
    };
    const startedAtMs = performance.now();
    const late = await Promise.all([outcome(client.get('a')), outcome(client.getMany(['b', 'c']))]);
    const tookMs = performance.now() - startedAtMs;
    for (const result of late) {
      expect(result).toEqual(
        failsWith('TIMEOUT', /no reply within 60 ms; the command may have run/),
      );
    }
    expect(tookMs).toBeGreaterThan(58);
    server.onFrame = undefined;
    held!.answer();
    expect(await client.ping()).toBe('PONG');
    expect(server.hellos, 'connections').toHaveLength(1);
    expect(client.outstanding).toBe(0);
  });

  it('count from the call, frame by frame', async () => {
    const { client, server } = await pair({ timeout: 1_000 });
    const held: SeenFrame[] = [];
    server.onFrame = (frame) => held.push(frame);
    const first = outcome(client.get('a'));
    // Sleeps: the second command must be half a deadline younger than the first.
    await new Promise((resolve) => setTimeout(resolve, 500));
    const second = outcome(client.get('b'));
    expect(await first).toEqual(failsWith('TIMEOUT'));
    held[1]!.answer();
    expect(await second).toEqual({ value: undefined });
  });

  it('give up a connection that has been silent for long', async () => {
    const { client, server } = await pair({ timeout: 30, reconnectDelay: 1 });
    server.onFrame = () => {};
    const disconnected = next(client, 'disconnect');
    expect(await outcome(client.get('a'))).toEqual(failsWith('TIMEOUT'));
    expect(client.state).toBe('ready');
    const real = performance.now.bind(performance);
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => real() + 6_000);
    cleanups.push(async () => clock.mockRestore());
    expect(await outcome(client.get('b'))).toEqual(failsWith('TIMEOUT'));
    expect(await disconnected).toEqual(failsWith('CONNECTION', /silent for 6\d{3} ms/));
    server.onFrame = undefined;
    await client.ready();
    expect(await client.set('c', 1)).toBe(true);
  });

  it('say while there is no connection why there is none', async () => {
    const client = open(await deadUrl(), { timeout: 60 });
    expect(await outcome(client.get('a'))).toEqual(
      failsWith('TIMEOUT', /no connection within 60 ms.*ECONNREFUSED/),
    );
    expect(client.outstanding).toBe(0);
  });

  it('do not count replies that came while the process was busy as late', async () => {
    const { client, server } = await pair({ timeout: 50 });
    const answered = new Promise<void>((resolve) => {
      server.onFrame = (frame) => {
        frame.answer();
        // The reply is on its way: nothing is read before this task ends.
        const endMs = performance.now() + 120;
        while (performance.now() < endMs);
        resolve();
      };
    });
    const reply = client.ping();
    await answered;
    expect(await reply).toBe('PONG');
  });

  it('can be switched off', async () => {
    const { client, server } = await pair({ timeout: 0 });
    server.onFrame = (frame) => setTimeout(() => frame.answer(), 50);
    expect(await client.ping()).toBe('PONG');
  });
});

describe('the connection', () => {
  it('introduces itself with HELLO and keeps the facts of the server', async () => {
    const { client, server } = await pair(
      { token: 'secret', user: 'me', name: 'tests' },
      { token: 'secret', limits: { maxMessageBytes: 5_000 } },
    );
    const said = { version: 1, client: 'tests', token: 'secret', user: 'me', routes: true };
    expect(server.hellos).toEqual([said]);
    expect(client.facts).toEqual({
      version: 1,
      server: 'stand-in',
      limits: { maxMessageBytes: 5_000 },
    });
    expect(await client.ready()).toBe(client.facts);
  });

  it('is refused with a wrong token, and what waits is rejected at once', async () => {
    const server = await start({ token: 'secret' });
    await expect(connect(server.url, { token: 'wrong' })).rejects.toEqual(
      failsWith('NOAUTH', /refused HELLO: wrong token/),
    );
    const client = open(server.url, { timeout: 0 });
    await expect(client.get('a')).rejects.toEqual(failsWith('NOAUTH'));
  });

  it('fails clearly where nobody listens', async () => {
    await expect(connect(await deadUrl())).rejects.toEqual(failsWith('CONNECTION', /ECONNREFUSED/));
    await expect(connect('http://127.0.0.1')).rejects.toEqual(failsWith('OPTION', /url must be/));
  });

  it('gives up an attempt that gets no answer', async () => {
    const server = await start();
    server.onHello = () => {};
    await expect(connect(server.url, { connectTimeout: 50 })).rejects.toEqual(
      failsWith('CONNECTION', /no answer within 50 ms/),
    );
  });

  it('works over a Unix-domain socket', async () => {
    const path = join(tmpdir(), `slabring-client-${process.pid}.sock`);
    cleanups.push(() => rm(path, { force: true }));
    const { client, server } = await pair({}, { path });
    expect(server.url).toBe(`ws+unix:${path}:/`);
    expect(await client.set('a', 1)).toBe(true);
  });

  it('rejects what is in flight when it is lost, and never sends it again', async () => {
    const { client, server } = await pair({ reconnectDelay: 5 });
    server.onFrame = () => {};
    const lost = [outcome(client.increment('n')), outcome(client.getMany(['a', 'b']))];
    await server.seen(1);
    const disconnected = next(client, 'disconnect');
    const connected = next(client, 'connect');
    server.drop();
    for (const result of await Promise.all(lost)) {
      expect(result).toEqual(failsWith('CONNECTION', /in flight, it may have run/));
    }
    expect(client.outstanding).toBe(0);
    expect(await disconnected).toEqual(failsWith('CONNECTION', /closed with code 1006/));
    server.onFrame = undefined;
    await connected;
    expect(await client.ping()).toBe('PONG');
    expect(server.frames.map(names)).toEqual([['INCR', 'GET', 'GET'], ['PING']]);
    expect(server.hellos).toHaveLength(2);
  });

  it('comes back by itself, and sends what was called meanwhile', async () => {
    const first = await StandIn.start();
    const client = open(first.url, { reconnectDelay: 10, reconnectDelayMax: 20, timeout: 5_000 });
    await client.ready();
    const states: string[] = [];
    client.on('state', (state) => states.push(state));
    const disconnected = next(client, 'disconnect');
    await first.close();
    await disconnected;
    const failed = next(client, 'error');
    const waiting = [client.set('a', 1), client.get('a')];
    expect(await failed).toEqual(failsWith('CONNECTION', /ECONNREFUSED/));
    const second = await start({ port: first.port });
    expect(await Promise.all(waiting)).toEqual([true, 1]);
    expect(second.frames.map(names)).toEqual([['SET', 'GET']]);
    expect(states.slice(0, 2)).toEqual(['waiting', 'connecting']);
    expect(states.at(-1)).toBe('ready');
  });

  it('bounds what waits for it, by commands', async () => {
    const client = open(await deadUrl(), { queueLimit: 3, timeout: 0 });
    await next(client, 'error');
    const kept = [client.get('a'), client.get('b'), client.getMany(['c'])].map(outcome);
    const full = failsWith('QUEUEFULL', /3 commands wait.*ECONNREFUSED/);
    await expect(client.get('d')).rejects.toEqual(full);
    // Also from another turn.
    await next(client, 'error');
    await expect(client.get('e')).rejects.toEqual(full);
    await client.close();
    for (const result of await Promise.all(kept)) expect(result).toEqual(failsWith('CLOSED'));
  });

  it('takes as much as is called while the first attempt is under way', async () => {
    const server = await start();
    const client = open(server.url, { queueLimit: 3 });
    expect(await client.getMany(['a', 'b', 'c', 'd', 'e'])).toEqual(new Array(5).fill(undefined));
  });

  it('bounds what waits for it, by bytes', async () => {
    const client = open(await deadUrl(), { bufferLimit: 10_000, frameBytes: 1_000, timeout: 0 });
    const results = Array.from({ length: 20 }, () => outcome(client.set('a', 'x'.repeat(2_000))));
    await client.close();
    const codes = (await Promise.all(results)).map((error) => (error as { code: string }).code);
    expect(codes).toEqual([...new Array(5).fill('CLOSED'), ...new Array(15).fill('QUEUEFULL')]);
  });

  it('makes room for more when what waited has timed out', async () => {
    const client = open(await deadUrl(), { bufferLimit: 10_000, frameBytes: 1_000, timeout: 30 });
    for (let round = 0; round < 3; round++) {
      const results = Array.from({ length: 6 }, () => outcome(client.set('a', 'x'.repeat(2_000))));
      const codes = (await Promise.all(results)).map((error) => (error as { code: string }).code);
      expect(codes).toEqual([...new Array(5).fill('TIMEOUT'), 'QUEUEFULL']);
    }
  });

  it('waits long only for a server that stays away', async () => {
    const { client, server } = await pair({ reconnectDelay: 4, reconnectDelayMax: '1m' });
    const startedAtMs = performance.now();
    for (let losses = 0; losses < 12; losses++) {
      const connected = next(client, 'connect');
      server.drop();
      await connected;
    }
    // Doubling on would have taken at least 8 seconds.
    expect(performance.now() - startedAtMs).toBeLessThan(4_000);
  });

  it('is not made again when reconnect is off', async () => {
    const { client, server } = await pair({ reconnect: false });
    const closed = new Promise<void>((resolve) => {
      client.on('state', (state) => state === 'closed' && resolve());
    });
    server.drop();
    await closed;
    await expect(client.get('a')).rejects.toEqual(failsWith('CLOSED', /reconnect is off/));
    await client.close();
  });

  it.each([
    ['a reply to a frame never sent', 2, (s: StandIn) => s.reply(99, [1])],
    ['a reply cut short', 2, (s: StandIn, id: number) => s.reply(id, ['long text']).subarray(0, 4)],
    ['a reply too many', 0, (s: StandIn, id: number) => s.reply(id, [1, 2, 3])],
    ['a reply too few', 1, (s: StandIn, id: number) => s.reply(id, [1])],
    ['no frame id', 2, () => Uint8Array.of(0xc0)],
    ['no msgpack', 2, (_: StandIn, id: number) => Uint8Array.of(id, 0xc1)],
    ['an empty message', 2, () => new Uint8Array(0)],
  ])('is dropped after %s', async (_, lost, bytes) => {
    const { client, server } = await pair({ reconnectDelay: 1 });
    server.onFrame = (frame) => frame.answer(bytes(server, frame.id));
    const results = [outcome(client.get('a')), outcome(client.get('b'))];
    const disconnected = next(client, 'disconnect');
    expect(await disconnected).toEqual(failsWith('CONNECTION', /broke the protocol/));
    const rejected = (await Promise.all(results)).filter((result) => result instanceof Error);
    expect(rejected).toEqual(new Array(lost).fill(failsWith('CONNECTION')));
    server.onFrame = undefined;
    expect(await client.ping()).toBe('PONG');
    await expect.poll(() => server.sockets.size, { message: 'connections' }).toBe(1);
  });

  it('is dropped after a text message', async () => {
    const { client, server } = await pair({ reconnectDelay: 1 });
    const disconnected = next(client, 'disconnect');
    for (const socket of server.sockets) socket.send('text');
    expect(await disconnected).toEqual(failsWith('CONNECTION', /text message/));
  });

  it('hands on what the server pushes', async () => {
    const { client, server } = await pair();
    const seen: unknown[] = [];
    client.on('push', (message) => seen.push(message));
    for (const socket of server.sockets) socket.send(server.reply(0, [['gone', 'a'], ['bye']]));
    await client.ping();
    expect(seen).toEqual([['gone', 'a'], ['bye']]);
  });
});

describe('close', () => {
  it('sends and awaits what was called before, and refuses what comes after', async () => {
    const { client, server } = await pair({ timeout: 0 });
    server.onFrame = (frame) => setTimeout(() => frame.answer(), 20);
    const before = client.set('a', 1);
    const closing = client.close();
    expect(client.state).toBe('closing');
    await expect(client.get('a')).rejects.toEqual(failsWith('CLOSED', /the client is closed/));
    expect(await before).toBe(true);
    await closing;
    expect(client.state).toBe('closed');
    expect(client.close()).toBeInstanceOf(Promise);
    await client.close();
    await expect(client.ready()).rejects.toEqual(failsWith('CLOSED'));
  });

  it('rejects what is in flight when told not to wait', async () => {
    const { client, server } = await pair();
    server.onFrame = () => {};
    const lost = outcome(client.set('a', 1));
    await server.seen(1);
    await client.close({ wait: false });
    expect(await lost).toEqual(failsWith('CLOSED'));
  });

  it('stops waiting when told so later', async () => {
    const { client, server } = await pair({ timeout: 0 });
    server.onFrame = () => {};
    const lost = outcome(client.set('a', 1));
    const closing = client.close();
    await server.seen(1);
    await client.close({ wait: false });
    await closing;
    expect(await lost).toEqual(failsWith('CLOSED'));
  });

  it('does not wait for a server that is gone', async () => {
    const { client, server } = await pair({ timeout: 0 });
    server.onFrame = () => {};
    const lost = outcome(client.set('a', 1));
    await server.seen(1);
    const closing = client.close();
    server.drop();
    await closing;
    expect(await lost).toEqual(failsWith('CONNECTION'));
    expect(client.state).toBe('closed');
  });

  it('before the connection stands sends what waits once it does', async () => {
    const server = await start();
    const client = open(server.url);
    const stored = client.set('a', 1);
    await client.close();
    expect(await stored).toBe(true);
  });

  it('is what leaving an `await using` block does', async () => {
    const { client } = await pair();
    await client[Symbol.asyncDispose]();
    expect(client.state).toBe('closed');
  });

  it.each(['connecting', 'ready', 'waiting'] as const)(
    'may be called by a listener at %s',
    async (at) => {
      const server = await start();
      const client = open(server.url, { reconnectDelay: 1 });
      const seen: string[] = [];
      client.on('connect', () => seen.push('connect'));
      const closed = new Promise<void>((resolve) => {
        client.on('state', (state) => {
          if (state === at) client.close({ wait: false }).then(resolve);
        });
      });
      if (at !== 'ready') {
        await client.ready();
        server.drop();
      }
      await closed;
      expect(client.state).toBe('closed');
      expect(seen).toHaveLength(at === 'ready' ? 0 : 1);
      await expect(client.get('a')).rejects.toEqual(failsWith('CLOSED'));
      await expect.poll(() => server.sockets.size).toBe(0);
    },
  );

  it('refuses unknown options', async () => {
    const { client } = await pair();
    await expect(client.close({ wiat: true } as never)).rejects.toEqual(
      failsWith('OPTION', /wait/),
    );
    expect(client.state).toBe('ready');
  });
});
