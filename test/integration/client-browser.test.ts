/**
 * The client as a browser runs it: bundled for browsers, in a context that has what a page has (a
 * WebSocket, timers, encoders) and nothing of Node (no process, Buffer, require, setImmediate).
 */
import { fileURLToPath } from 'node:url';
import { createContext, runInContext } from 'node:vm';
import { build, type Rollup } from 'vite';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { StandIn } from './client-stand-in.js';

const entry = fileURLToPath(new URL('../../dist/client/index.js', import.meta.url));

let code = '';
let server: StandIn;

beforeAll(async () => {
  server = await StandIn.start();
  const output = (await build({
    configFile: false,
    logLevel: 'error',
    build: {
      write: false,
      minify: false,
      lib: { entry, formats: ['iife'], name: 'Slabring' },
    },
  })) as Rollup.RollupOutput[];
  code = output[0]!.output[0].code;
});

afterAll(() => server.close());

/** A page that ran the bundle and then `script`, whose value is returned. */
function page(script: string, globals: object = {}): Promise<unknown> {
  const context = createContext({
    WebSocket,
    // The context would have its own, and `instanceof` would tell them apart from those of the
    // WebSocket.
    ArrayBuffer,
    Uint8Array,
    DataView,
    Error,
    TextEncoder,
    TextDecoder,
    URL,
    performance,
    queueMicrotask,
    setTimeout,
    clearTimeout,
    url: server.url,
    ...globals,
  });
  runInContext(code, context);
  return runInContext(`(async () => { ${script} })()`, context) as Promise<unknown>;
}

it('works with the global WebSocket', async () => {
  const seen = await page(`
    const client = await Slabring.connect(url);
    const text = 'Zwölf Boxkämpfer 🥊 '.repeat(20);
    const stored = await Promise.all([
      client.set('text', text),
      client.set('object', { list: [1, 2.5, null, 'x'], bytes: new Uint8Array([1, 2]) }),
      client.setBytes('bytes', new Uint8Array(70000).fill(7)),
      client.set('count', 2 ** 40),
    ]);
    const bytes = await client.getBytes('bytes');
    const result = {
      stored,
      same: (await client.get('text')) === text,
      object: JSON.stringify(await client.get('object')),
      bytes: bytes.length + ':' + bytes[69999],
      count: await client.increment('count'),
      many: await client.getMany(['count', 'gone']),
      refused: await client.increment('text').catch((error) => error.code),
      facts: client.facts.server,
    };
    await client.close();
    return { ...result, state: client.state };
  `);
  expect(seen).toEqual({
    stored: [true, true, true, true],
    same: true,
    object: '{"list":[1,2.5,null,"x"],"bytes":{"0":1,"1":2}}',
    bytes: '70000:7',
    count: 2 ** 40 + 1,
    many: [2 ** 40 + 1, undefined],
    refused: 'WRONGTYPE',
    facts: 'stand-in',
    state: 'closed',
  });
});

it('sends the commands of one task in one frame', async () => {
  const before = server.frames.length;
  await page(`
    const client = await Slabring.connect(url);
    await Promise.all(Array.from({ length: 40 }, (_, i) => client.get('k' + i)));
    await client.close();
  `);
  expect(server.frames.slice(before).map((frame) => frame.commands.length)).toEqual([40]);
});

it('rejects what is in flight when the connection is lost, and connects again', async () => {
  server.onFrame = () => {
    server.onFrame = undefined;
    server.drop();
  };
  const seen = await page(`
    const client = await Slabring.connect(url, { reconnectDelay: 1 });
    const lost = await client.get('a').catch((error) => error.code);
    const pong = await client.ping();
    await client.close();
    return [lost, pong];
  `);
  expect(seen).toEqual(['CONNECTION', 'PONG']);
});

it('asks for a socket factory where there is no WebSocket at all', async () => {
  const script = 'try { new Slabring.Client(url) } catch (error) { return error.message }';
  expect(await page(script, { WebSocket: undefined })).toMatch(/^socketFactory must be given/);
});
