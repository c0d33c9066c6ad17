/**
 * A stand-in for a node, for tests of the client alone: the protocol over a plain Map, built on
 * `ws` and msgpackr, which are not what the node itself is built on. It can be told to hold
 * replies, to break the protocol and to hang up.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Packr, Unpackr } from 'msgpackr';
import { type WebSocket, WebSocketServer } from 'ws';

const settings = {
  useRecords: false,
  mapsAsObjects: true,
  variableMapSize: true,
  int64AsType: 'auto' as 'number',
  copyBuffers: true,
};
const packr = new Packr(settings);
const unpackr = new Unpackr(settings);

const NAMES: Record<number, string> = {
  1: 'PING',
  2: 'HELLO',
  16: 'GET',
  17: 'SET',
  18: 'DEL',
  19: 'EXISTS',
  20: 'EXPIRE',
  21: 'TTL',
  22: 'PERSIST',
  23: 'TOUCH',
  24: 'GETV',
  25: 'INCR',
};

/** A request frame as it arrived. */
export interface SeenFrame {
  id: number;
  /** Each `[NAME, ...arguments]`. */
  commands: unknown[][];
  bytes: Buffer;
  socket: WebSocket;
  /** Sends these bytes, by default what the commands reply. */
  answer(bytes?: Uint8Array): void;
}

interface Entry {
  value: unknown;
  version: number;
  expiresAtMs: number;
}

export interface StandInOptions {
  token?: string;
  limits?: Record<string, number>;
  /** Listen on this Unix-domain socket instead of a free port. */
  path?: string;
  port?: number;
}

export class StandIn {
  readonly store = new Map<string, Entry>();
  /** Every frame since the start, HELLO frames left out. */
  readonly frames: SeenFrame[] = [];
  readonly hellos: Record<string, unknown>[] = [];
  readonly sockets = new Set<WebSocket>();
  /** Takes over the answering of frames; HELLO is answered anyway. */
  onFrame: ((frame: SeenFrame) => void) | undefined;
  /** Takes over the answering of HELLO. */
  onHello: ((socket: WebSocket, id: number) => void) | undefined;
  url = '';
  readonly #options: StandInOptions;
  readonly #http: Server;
  readonly #waiters: { count: number; resolve: () => void }[] = [];
  #version = 0;

  constructor(options: StandInOptions) {
    this.#options = options;
    this.#http = createServer();
    const server = new WebSocketServer({
      server: this.#http,
      handleProtocols: (offered) => (offered.has('slabring.1') ? 'slabring.1' : false),
    });
    server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('message', (data: Buffer) => this.#receive(socket, data));
    });
  }

  static async start(options: StandInOptions = {}): Promise<StandIn> {
    const standIn = new StandIn(options);
    await new Promise<void>((resolve) => {
      if (options.path !== undefined) standIn.#http.listen(options.path, resolve);
      else standIn.#http.listen(options.port ?? 0, '127.0.0.1', resolve);
    });
    const address = standIn.#http.address();
    standIn.url =
      options.path !== undefined
        ? `ws+unix:${options.path}:/`
        : `ws://127.0.0.1:${(address as AddressInfo).port}`;
    return standIn;
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  /** Resolves once `count` frames have come in all. */
  seen(count: number): Promise<void> {
    if (this.frames.length >= count) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ count, resolve }));
  }

  /** Resolves once everything that the clients had sent by now has come in. */
  async roundTrip(): Promise<void> {
    const pongs = [...this.sockets].map((socket) => {
      const pong = new Promise((resolve) => socket.once('pong', resolve));
      socket.ping();
      return pong;
    });
    await Promise.all(pongs);
  }

  /** Drops every connection without a closing handshake. */
  drop(): void {
    for (const socket of this.sockets) socket.terminate();
  }

  async close(): Promise<void> {
    this.drop();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  #receive(socket: WebSocket, bytes: Buffer): void {
    const [id, ...raw] = unpackr.unpackMultiple(bytes) as [number, ...unknown[][]];
    const commands = raw.map(([code, ...rest]) => [NAMES[code as number] ?? code, ...rest]);
    if (commands[0]?.[0] === 'HELLO') {
      this.hellos.push(commands[0][1] as Record<string, unknown>);
      if (this.onHello) this.onHello(socket, id);
      else socket.send(this.reply(id, [this.#hello(commands[0][1] as { token?: string })]));
      return;
    }
    const frame: SeenFrame = {
      id,
      commands,
      bytes,
      socket,
      answer: (given) => socket.send(given ?? this.reply(id, this.execute(commands))),
    };
    this.frames.push(frame);
    if (this.onFrame) this.onFrame(frame);
    else frame.answer();
    for (const waiter of this.#waiters) if (this.frames.length >= waiter.count) waiter.resolve();
  }

  /** Sends a message of its own accord. */
  push(message: unknown): void {
    for (const socket of this.sockets) socket.send(this.reply(0, [message]));
  }

  /** A reply frame; an `Error` becomes an error reply, with its message as payload. */
  reply(id: number, replies: unknown[]): Buffer {
    return Buffer.concat([pack(id), ...replies.map(packReply)]);
  }

  execute(commands: unknown[][]): unknown[] {
    return commands.map(([name, ...args]) => this.#run(String(name), args));
  }

  #hello(options: { token?: string }): unknown {
    const { token, limits } = this.#options;
    if (token !== undefined && options?.token !== token) return new Error('NOAUTH wrong token');
    return { version: 1, server: 'stand-in', limits: { ...limits } };
  }

  #run(name: string, args: unknown[]): unknown {
    const key = keyOf(args[0]);
    const entry = this.#live(key);
    switch (name) {
      case 'PING':
        return 'PONG';
      case 'GET':
        return entry ? entry.value : null;
      case 'GETV':
        return entry ? [entry.value, entry.version] : null;
      case 'SET':
        return this.#set(key, entry, args);
      case 'DEL':
        return args.filter((one) => this.#live(keyOf(one)) && this.store.delete(keyOf(one))).length;
      case 'EXISTS':
      case 'TOUCH':
        return args.filter((one) => this.#live(keyOf(one))).length;
      case 'TTL':
        if (!entry) return -2;
        return entry.expiresAtMs === Number.POSITIVE_INFINITY ? -1 : entry.expiresAtMs - Date.now();
      case 'EXPIRE':
        if (entry) entry.expiresAtMs = expiry(args[1]);
        return entry !== undefined;
      case 'PERSIST': {
        const had = entry !== undefined && entry.expiresAtMs !== Number.POSITIVE_INFINITY;
        if (entry) entry.expiresAtMs = Number.POSITIVE_INFINITY;
        return had;
      }
      case 'INCR': {
        const old = entry ? entry.value : 0;
        if (typeof old !== 'number' && typeof old !== 'bigint') {
          return new Error('WRONGTYPE the value is no integer');
        }
        const sum = BigInt(old) + BigInt((args[1] as number | null) ?? 1);
        if (BigInt.asIntN(64, sum) !== sum) return new Error('OVERFLOW the sum passes 64 bits');
        const expiresAtMs = entry ? entry.expiresAtMs : expiry(args[2]);
        this.store.set(key, { value: sum, version: ++this.#version, expiresAtMs });
        return sum;
      }
      default:
        return new Error(`UNKNOWN ${name}`);
    }
  }

  #set(key: string, entry: Entry | undefined, args: unknown[]): unknown {
    const [, value, ttlMs, flags, version] = args as [unknown, unknown, number, number, number];
    const refused =
      (flags & 1 && entry) || (flags & 2 && !entry) || (flags & 16 && entry?.version !== version);
    if (!refused) {
      const expiresAtMs = flags & 4 && entry ? entry.expiresAtMs : expiry(ttlMs);
      this.store.set(key, { value, version: ++this.#version, expiresAtMs });
    }
    if (flags & 8) return entry ? entry.value : null;
    return !refused;
  }

  #live(key: string): Entry | undefined {
    const entry = this.store.get(key);
    return entry && entry.expiresAtMs > Date.now() ? entry : undefined;
  }
}

function expiry(ttlMs: unknown): number {
  return ttlMs ? Date.now() + Number(ttlMs) : Number.POSITIVE_INFINITY;
}

function keyOf(key: unknown): string {
  return Buffer.from((key ?? '') as string).toString('latin1');
}

function pack(value: unknown): Buffer {
  return Buffer.from(packr.pack(value));
}

function packReply(reply: unknown): Buffer {
  if (reply instanceof Error) {
    const payload = Buffer.from(reply.message);
    return Buffer.concat([Buffer.of(0xc7, payload.length, 1), payload]);
  }
  // msgpackr writes whole numbers above 32 bits as floats, unless they are bigints.
  return pack(typeof reply === 'number' && Math.abs(reply) > 2 ** 31 ? BigInt(reply) : reply);
}
