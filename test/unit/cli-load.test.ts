import { describe, expect, it } from 'vitest';
import { fill, readBack } from '#server/cli/load/fill.js';
import { Loader } from '#server/cli/load/loader.js';
import type { LoadProtocol } from '#server/cli/load/protocol.js';
import { fillReel, Reel, randomReel } from '#server/cli/load/reel.js';
import { SlabringProtocol } from '#server/cli/load/slabring.js';
import { memcachedProtocol, respProtocol } from '#server/cli/load/text.js';
import { memcachedAnswers, redisAnswers } from '../fixtures/servers/answers.mjs';
import {
  atOnce,
  type Deliver,
  deliveries,
  dribbled,
  type Execute,
  errorReply,
  honest,
  loaders,
  open,
  serverFrame,
  servers,
  slabring,
  standIn,
  textServer,
} from '../support/load-servers.js';

const kinds = [
  {
    name: 'slabring',
    protocol: (_valueBytes: number): LoadProtocol => new SlabringProtocol('127.0.0.1'),
    server: () => slabring(),
  },
  { name: 'redis', protocol: respProtocol, server: () => textServer(redisAnswers) },
  { name: 'memcached', protocol: memcachedProtocol, server: () => textServer(memcachedAnswers) },
];
const shapes = [
  { valueBytes: 32, pipeline: 16, inFlight: 1 },
  { valueBytes: 0, pipeline: 1, inFlight: 4 },
  { valueBytes: 300, pipeline: 3, inFlight: 2 },
  { valueBytes: 70_000, pipeline: 1, inFlight: 1 },
];
const cases = kinds.flatMap((kind) =>
  deliveries.flatMap((delivery) => shapes.map((shape) => ({ ...kind, ...delivery, ...shape }))),
);

describe('the loader', () => {
  it.each(cases)(
    '$name, $delivery: values of $valueBytes, $pipeline a frame, $inFlight in flight',
    async ({ protocol, server, deliver, valueBytes, pipeline, inFlight }) => {
      const port = await standIn(server(), valueBytes > 1000 ? atOnce : deliver);
      const spoken = protocol(valueBytes);
      const loader = await open(port, spoken, 2, inFlight);
      const keys = 40;
      const workload = { keys, valueBytes, getShare: 0.5, pipeline };
      const filled = await loader.sendOnce(fillReel(0, keys, workload, pipeline, spoken));
      expect(filled.operations).toBe(keys);
      expect(filled.frames).toBe(Math.ceil(keys / pipeline));
      expect(filled.replies).toMatchObject({ checked: keys, misses: 0, errors: 0 });
      const gets = new Reel(
        Uint32Array.from({ length: keys }, (_, key) => key),
        new Uint8Array(keys),
        pipeline,
        valueBytes,
        spoken,
      );
      const read = await loader.sendOnce(gets);
      expect(read.replies).toMatchObject({ checked: keys, misses: 0, errors: 0 });
      expect(read.roundTrips.count).toBe(read.frames);
      const mixed = await loader.sendFor(randomReel(workload, spoken), 0.05);
      expect(mixed.operations).toBeGreaterThanOrEqual(2 * inFlight * pipeline);
      expect(mixed.replies).toMatchObject({ misses: 0, errors: 0 });
    },
  );

  it.each(kinds)('$name: reads over the replies that it does not check', async (kind) => {
    const port = await standIn(kind.server(), dribbled);
    const protocol = kind.protocol(32);
    const target = { host: '127.0.0.1', port };
    const options = { target, protocol, connections: 2, inFlight: 2, checkFirst: 0 };
    const loader = await Loader.open(options);
    loaders.push(loader);
    const workload = { keys: 40, valueBytes: 32, getShare: 0.8, pipeline: 3 };
    await loader.sendOnce(fillReel(0, 40, workload, 3, protocol));
    const reel = randomReel(workload, protocol);
    // 64 frames go by, then one is checked; and on each connection one more, whose reply was
    // already being read over in pieces when the check fell due.
    const framesPerCheck = 64 + options.connections;
    let seconds = 0.2;
    let result = await loader.sendFor(reel, seconds);
    // On a busy machine time says little about frames: as long as it takes for some checks.
    while (result.frames <= 2 * framesPerCheck) {
      seconds *= 2;
      result = await loader.sendFor(reel, seconds);
    }
    const checks = Math.floor((result.frames - 1) / framesPerCheck);
    expect(result.replies.checked).toBeGreaterThanOrEqual(workload.pipeline * checks);
    expect(result.replies.checked).toBeLessThan(result.operations / 4);
  });

  it('takes replies that overtake each other', async () => {
    const held: Buffer[] = [];
    const port = await standIn(slabring(), (replies, socket) => {
      held.push(...replies);
      if (held.length >= 3) socket.write(Buffer.concat(held.splice(0).reverse()));
    });
    const protocol = new SlabringProtocol('127.0.0.1');
    const loader = await open(port, protocol, 1, 3);
    const workload = { keys: 9, valueBytes: 8, getShare: 0, pipeline: 1 };
    const result = await loader.sendOnce(fillReel(0, 9, workload, 1, protocol));
    expect(result.replies).toMatchObject({ checked: 9, misses: 0, errors: 0 });
  });

  it('answers pings, during a run and between runs', async () => {
    const ping = serverFrame(9, Buffer.from('are you there'));
    const port = await standIn(slabring(), (replies, socket) => {
      socket.write(Buffer.concat([ping, ...replies, ping]));
    });
    const protocol = new SlabringProtocol('127.0.0.1');
    const loader = await open(port, protocol);
    const workload = { keys: 50, valueBytes: 8, getShare: 0, pipeline: 1 };
    const reel = fillReel(0, 50, workload, 1, protocol);
    await loader.sendOnce(reel);
    expect((await loader.sendOnce(reel)).replies.checked).toBe(50);
  });

  it('counts GETs that find nothing and error replies', async () => {
    const port = await standIn(
      slabring(([code, key]) => {
        if (code === 0x10) return null;
        return String(key).endsWith('3') ? errorReply('OOM full') : true;
      }),
      atOnce,
    );
    const protocol = new SlabringProtocol('127.0.0.1');
    const loader = await open(port, protocol);
    const workload = { keys: 20, valueBytes: 8, getShare: 0, pipeline: 4 };
    const { replies } = await loader.sendOnce(fillReel(0, 20, workload, 4, protocol));
    expect(replies).toEqual({ checked: 20, gets: 0, misses: 0, errors: 2, firstError: 'OOM full' });
    const gets = new Reel(Uint32Array.of(1, 2, 3), new Uint8Array(3), 2, 8, protocol);
    expect((await loader.sendOnce(gets)).replies).toMatchObject({ gets: 3, misses: 3 });
  });

  it('fills a server in reels, and reads all of it back', async () => {
    const map = new Map<string, Buffer>();
    const port = await standIn(slabring(honest, map), atOnce);
    const protocol = new SlabringProtocol('127.0.0.1');
    const loader = await open(port, protocol);
    const steps: number[] = [];
    // Values so large that a reel has few of them.
    const onProgress = (done: number) => void steps.push(done);
    const filling = { name: 'it', loader, protocol, keys: 36, valueBytes: 1e6, onProgress };
    await fill(filling);
    expect(map.size).toBe(36);
    expect(steps).toEqual([0, 33]);
    await readBack(filling);
    expect(steps).toHaveLength(4);
    map.delete([...map.keys()][35]!);
    await expect(readBack(filling)).rejects.toThrow('it has lost 1 keys');
  });

  it('fills no server that refuses', async () => {
    const full = slabring(([, key]) => (String(key).endsWith('3') ? errorReply('OOM full') : true));
    const protocol = new SlabringProtocol('127.0.0.1');
    const loader = await open(await standIn(full, atOnce), protocol);
    const filling = { name: 'it', loader, protocol, keys: 20, valueBytes: 8 };
    await expect(fill(filling)).rejects.toThrow('it refused 2 SETs: OOM full');
  });

  const value = (key: number): Buffer => Buffer.from(String(key).padStart(12, '0').padEnd(16, 'v'));
  const misdeeds: [string, Execute | Deliver, RegExp][] = [
    ["another key's value", () => value(7), /wrong value for key 1/],
    ['a cut value', () => value(1).subarray(0, 15), /wrong value for key 1/],
    ['true to a GET', () => true, /wrong value for key 1/],
  ];
  it.each(misdeeds)('stops at a wrong reply: %s', async (_what, execute, message) => {
    const port = await standIn(slabring(execute as Execute), atOnce);
    const protocol = new SlabringProtocol('127.0.0.1');
    const loader = await open(port, protocol, 1);
    const reel = new Reel(Uint32Array.of(1), new Uint8Array(1), 1, 16, protocol);
    await expect(loader.sendOnce(reel)).rejects.toThrow(message);
    await expect(loader.sendOnce(reel), 'and stays stopped').rejects.toThrow(message);
  });

  const id = (number: number): Buffer => Buffer.of(0xcd, number >> 8, number & 255);
  const frames: [string, Buffer, RegExp][] = [
    [
      'a frame id out of range',
      serverFrame(2, Buffer.concat([id(900), Buffer.of(0xc0)])),
      /unknown frame id 900/,
    ],
    [
      'a frame id not in flight',
      serverFrame(2, Buffer.concat([id(2), Buffer.of(0xc0)])),
      /frame 2, which is not in flight/,
    ],
    ['too few replies', serverFrame(2, id(1)), /wrong value for key 1/],
    [
      'too many replies',
      serverFrame(2, Buffer.concat([id(1), Buffer.of(0xc0, 0xc0)])),
      /exactly 1 replies/,
    ],
    ['no frame id', serverFrame(2, Buffer.of(0xa1, 0x61)), /0xa1, which is no frame id/],
    ['a text frame', serverFrame(1, Buffer.from('hello')), /unexpected WebSocket frame/],
    [
      'a close frame',
      serverFrame(8, Buffer.from('\x03\xf1too large', 'latin1')),
      /closed the connection: 1009 too large/,
    ],
  ];
  it.each(frames)('stops at %s', async (_what, bytes, message) => {
    const port = await standIn(slabring(), (_replies, socket) => {
      socket.write(bytes);
    });
    const protocol = new SlabringProtocol('127.0.0.1');
    const loader = await open(port, protocol, 1);
    const reel = new Reel(Uint32Array.of(1, 2), new Uint8Array(2), 1, 16, protocol);
    await expect(loader.sendOnce(reel)).rejects.toThrow(message);
  });

  it('stops when the server hangs up, and when nobody listens', async () => {
    const port = await standIn(slabring(), (_replies, socket) => socket.destroy());
    const protocol = new SlabringProtocol('127.0.0.1');
    const loader = await open(port, protocol, 1);
    const reel = new Reel(Uint32Array.of(1), new Uint8Array(1), 1, 16, protocol);
    await expect(loader.sendOnce(reel)).rejects.toThrow('the server closed a connection');
    servers.splice(0).forEach((server) => {
      server.close();
    });
    await expect(open(port, protocol)).rejects.toThrow(/ECONNREFUSED/);
  });

  it('says what a server answered that refuses the WebSocket', async () => {
    const port = await standIn(
      () => () => ({
        replies: [Buffer.from('HTTP/1.1 403 Forbidden\r\n\r\n')],
        rest: Buffer.alloc(0),
      }),
      atOnce,
    );
    await expect(open(port, new SlabringProtocol('127.0.0.1'))).rejects.toThrow(
      'refused the WebSocket: HTTP/1.1 403 Forbidden',
    );
  });

  it.each([
    { name: 'redis', server: textServer(redisAnswers), protocol: respProtocol(16) },
    { name: 'memcached', server: textServer(memcachedAnswers), protocol: memcachedProtocol(16) },
  ])('stops when $name has lost a key', async ({ server, protocol }) => {
    const loader = await open(await standIn(server, atOnce), protocol, 1);
    const reel = new Reel(Uint32Array.of(1), new Uint8Array(1), 1, 16, protocol);
    await expect(loader.sendOnce(reel)).rejects.toThrow(/unexpected reply: "(\$-1|EN)\\r\\n"/);
  });
});

describe('a random reel', () => {
  const protocol = new SlabringProtocol('127.0.0.1');

  it('has the mix and the keys that were asked for, and the same every time', () => {
    const workload = { keys: 1000, valueBytes: 8, getShare: 0.9, pipeline: 100 };
    const reel = randomReel(workload, protocol);
    const sets = reel.sets.reduce((sum, set) => sum + set, 0) / reel.sets.length;
    expect(sets).toBeCloseTo(0.1, 2);
    expect(new Set(reel.keys).size).toBe(1000);
    expect(Math.max(...new Set(reel.keys))).toBe(999);
    expect(randomReel(workload, protocol).bytes.equals(reel.bytes)).toBe(true);
  });

  it('of large values stays small', () => {
    const workload = { keys: 1000, valueBytes: 2 ** 20, getShare: 0, pipeline: 4 };
    const reel = randomReel(workload, protocol);
    expect(reel.frames).toBeGreaterThanOrEqual(16);
    expect(reel.bytes.length).toBeLessThan(140 * 2 ** 20);
  });
});
