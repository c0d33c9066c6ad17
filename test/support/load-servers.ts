/**
 * Stand-ins for the servers that the load generator measures, inside the test: they answer honestly
 * or as they are told to, at once or in pieces.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { Packr, Unpackr } from 'msgpackr';
import { afterEach, expect } from 'vitest';
import { COMMANDS } from '#engine/commands.js';
import { Loader } from '#server/cli/load/loader.js';
import type { LoadProtocol } from '#server/cli/load/protocol.js';
import type { Answers } from '../fixtures/servers/answers.mjs';

/** What a stand-in answers to what came; it keeps the rest of an unfinished request. */
type Answer = (received: Buffer, socket: Socket) => { replies: Buffer[]; rest: Buffer };

/** How a stand-in writes its replies to the wire. */
export type Deliver = (replies: Buffer[], socket: Socket) => void;

export const servers: Server[] = [];
export const loaders: Loader[] = [];
afterEach(() => {
  for (const loader of loaders.splice(0)) loader.close();
  for (const server of servers.splice(0)) server.close();
});

export const atOnce: Deliver = (replies, socket) => {
  socket.write(Buffer.concat(replies));
};

/** Every reply in pieces of 7 bytes, each a packet of its own. */
export const dribbled: Deliver = (replies, socket) => {
  const waiting = queues.get(socket) ?? [];
  queues.set(socket, waiting);
  waiting.push(...replies);
  // One reply after the other: who comes while another is under way finds its turn later.
  if (waiting.length > replies.length) return;
  const next = (at: number): void => {
    if (socket.destroyed) return;
    const reply = waiting[0]!;
    socket.write(reply.subarray(at, at + 7));
    if (at + 7 < reply.length) setImmediate(next, at + 7);
    else if (waiting.shift() && waiting.length > 0) setImmediate(next, 0);
  };
  next(0);
};
const queues = new WeakMap<Socket, Buffer[]>();

export const deliveries = [
  { delivery: 'at once', deliver: atOnce },
  { delivery: 'dribbled', deliver: dribbled },
];

export async function standIn(answer: () => Answer, deliver: Deliver): Promise<number> {
  const server = createServer({ noDelay: true }, (socket) => {
    const respond = answer();
    let pending = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      const { replies, rest } = respond(Buffer.concat([pending, chunk]), socket);
      pending = Buffer.from(rest);
      if (replies.length > 0) deliver(replies, socket);
    });
    // The loader hangs up without ceremony.
    socket.on('error', () => socket.destroy());
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

export async function open(
  port: number,
  protocol: LoadProtocol,
  connections = 2,
  inFlight = 1,
): Promise<Loader> {
  const target = { host: '127.0.0.1', port };
  const loader = await Loader.open({ target, protocol, connections, inFlight });
  loaders.push(loader);
  return loader;
}

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false });

export type Execute = (command: unknown[], map: Map<string, Buffer>) => unknown;

/**
 * What a node answers to commands of the load: entries are kept under their key, a field, a member
 * under the collection's key and its own, of a list the length.
 */
const honestly: Readonly<Record<number, Execute>> = {
  [COMMANDS.GET.code]: ([, key], map) => map.get(String(key)) ?? null,
  [COMMANDS.SET.code]: ([, key, value], map) => {
    map.set(String(key), Buffer.from(value as Buffer));
    return true;
  },
  [COMMANDS.HGET.code]: ([, hash, field], map) => map.get(`${hash} ${field}`) ?? null,
  [COMMANDS.HSET.code]: ([, hash, field, value], map) =>
    added(map, `${hash} ${field}`, value as Buffer),
  [COMMANDS.SADD.code]: ([, set, member], map) => added(map, `${set} ${member}`),
  [COMMANDS.ZADD.code]: ([, set, flags, score, member], map) => {
    expect([flags, Number.isInteger(score)]).toEqual([null, true]);
    return added(map, `${set} ${member}`, String(score));
  },
  [COMMANDS.LPUSH.code]: ([, list, value], map) => {
    expect(Buffer.isBuffer(value)).toBe(true);
    const length = Number(map.get(String(list)) ?? 0) + 1;
    map.set(String(list), Buffer.from(String(length)));
    return length;
  },
  [COMMANDS.LTRIM.code]: ([, list, start, stop], map) => {
    expect(start).toBe(0);
    const length = Math.min(Number(map.get(String(list)) ?? 0), Number(stop) + 1);
    map.set(String(list), Buffer.from(String(length)));
    return true;
  },
};

export const honest: Execute = (command, map) => {
  const execute = honestly[command[0] as number];
  if (execute === undefined) throw new Error(`command ${command[0]}`);
  return execute(command, map);
};

function added(map: Map<string, Buffer>, key: string, value: string | Buffer = ''): number {
  const isNew = !map.has(key);
  map.set(key, Buffer.from(value));
  return Number(isNew);
}

/**
 * A Slabring node as another library would write it: msgpackr reads the commands and writes the
 * replies.
 */
export function slabring(execute: Execute = honest, map = new Map<string, Buffer>()): () => Answer {
  return () => {
    let upgraded = false;
    return (received, socket) => {
      const replies: Buffer[] = [];
      let rest = received;
      if (!upgraded) {
        const end = rest.indexOf('\r\n\r\n');
        if (end < 0) return { replies, rest };
        const key = /Sec-WebSocket-Key: (\S+)/.exec(rest.toString('latin1', 0, end))![1];
        const accept = createHash('sha1').update(`${key}${GUID}`).digest('base64');
        socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
            `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
        );
        upgraded = true;
        rest = rest.subarray(end + 4);
      }
      for (let frame = readFrame(rest); frame !== undefined; frame = readFrame(rest)) {
        rest = rest.subarray(frame.size);
        if (frame.opcode !== 2) {
          expect(frame.opcode).toBe(10);
          continue;
        }
        const [id, ...commands] = unpackr.unpackMultiple(frame.payload) as [number, ...unknown[][]];
        const results = commands.map((command) => execute(command, map));
        const parts = results.map((result) =>
          Buffer.isBuffer(result) && result.length > 1 && result[0] === 0xc7
            ? result
            : packr.pack(result),
        );
        replies.push(serverFrame(2, Buffer.concat([packr.pack(id), ...parts])));
      }
      return { replies, rest };
    };
  };
}

function readFrame(bytes: Buffer): { opcode: number; payload: Buffer; size: number } | undefined {
  if (bytes.length < 2) return undefined;
  expect(bytes[1]! & 0x80, 'client frames are masked').toBe(0x80);
  let length = bytes[1]! & 0x7f;
  let at = 2;
  if (length === 126) {
    if (bytes.length < 4) return undefined;
    length = bytes.readUInt16BE(2);
    at = 4;
  } else if (length === 127) {
    if (bytes.length < 10) return undefined;
    length = Number(bytes.readBigUInt64BE(2));
    at = 10;
  }
  if (bytes.length < at + 4 + length) return undefined;
  const mask = bytes.subarray(at, at + 4);
  const payload = Buffer.from(bytes.subarray(at + 4, at + 4 + length));
  payload.forEach((byte, index) => {
    payload[index] = byte ^ mask[index & 3]!;
  });
  return { opcode: bytes[0]! & 15, payload, size: at + 4 + length };
}

export function serverFrame(opcode: number, payload: Buffer): Buffer {
  const head = payload.length < 126 ? 2 : payload.length < 65_536 ? 4 : 10;
  const out = Buffer.alloc(head + payload.length);
  out[0] = 0x80 | opcode;
  out[1] = head === 2 ? payload.length : head === 4 ? 126 : 127;
  if (head === 4) out.writeUInt16BE(payload.length, 2);
  if (head === 10) out.writeBigUInt64BE(BigInt(payload.length), 2);
  payload.copy(out, head);
  return out;
}

/** An error reply: ext 8 of type 1. */
export function errorReply(text: string): Buffer {
  return Buffer.concat([Buffer.of(0xc7, text.length, 1), Buffer.from(text)]);
}

/** The answers of a text protocol as a stand-in's; one map for all connections, as in a server. */
export function textServer(answers: (map: Map<string, string>) => Answers): () => Answer {
  const map = new Map<string, string>();
  return () => {
    const respond = answers(map);
    return (received) => {
      const [replies, rest] = respond(received);
      return { replies, rest };
    };
  };
}
