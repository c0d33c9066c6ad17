/** Speaks the wire protocol by hand, so that tests of the node depend on no client of ours. */
import { once } from 'node:events';
import { Packr, Unpackr } from 'msgpackr';
import { type ClientOptions, WebSocket } from 'ws';
import { valueEnd } from '#engine/msgpack.js';

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

/** `[code or name, ...arguments]`. */
export type Command = readonly unknown[];

/** An error reply, as `CODE message`. */
export class WireError {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  get code(): string {
    return this.text.split(' ', 1)[0]!;
  }
}

export interface Reply {
  id: number;
  replies: unknown[];
}

export interface Closed {
  code: number;
  reason: string;
}

/** The bytes of a request frame. */
export function encodeFrame(id: number, ...commands: Command[]): Buffer {
  return Buffer.concat([id, ...commands].map((value) => Buffer.from(packr.pack(value))));
}

/** A reply frame, taken apart. */
export function decodeFrame(frame: Buffer): Reply {
  const values: unknown[] = [];
  for (let at = 0; at < frame.length; ) {
    const end = valueEnd(frame, at);
    values.push(decodeValue(frame.subarray(at, end)));
    at = end;
  }
  const [id, ...replies] = values;
  return { id: id as number, replies };
}

function decodeValue(bytes: Buffer): unknown {
  const isError = bytes[0] === 0xc7 && bytes[2] === 1;
  return isError ? new WireError(bytes.toString('utf8', 3)) : unpackr.unpack(bytes);
}

/** One connection. Reply frames and the close are kept until they are asked for. */
export class Wire {
  static async open(
    url: string,
    protocols: string[] = [],
    options: ClientOptions = {},
  ): Promise<Wire> {
    const socket = new WebSocket(url, protocols, { perMessageDeflate: false, ...options });
    const wire = new Wire(socket);
    await once(socket, 'open');
    return wire;
  }

  readonly socket: WebSocket;
  /** How the connection was closed. */
  readonly closed: Promise<Closed>;
  readonly #frames: Buffer[] = [];
  readonly #waiting: ((frame: Buffer) => void)[] = [];
  #lastId = 0;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data: Buffer) => {
      const waiting = this.#waiting.shift();
      if (waiting) waiting(data);
      else this.#frames.push(data);
    });
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
    });
  }

  /** The replies to the commands of one frame. */
  async call(...commands: Command[]): Promise<unknown[]> {
    const id = ++this.#lastId;
    this.socket.send(encodeFrame(id, ...commands));
    const reply = await this.next();
    if (reply.id !== id) throw new Error(`frame ${id} was answered by frame ${reply.id}`);
    return reply.replies;
  }

  sendRaw(data: Buffer | string): void {
    this.socket.send(data);
  }

  /** The next reply frame. */
  async next(): Promise<Reply> {
    const kept = this.#frames.shift();
    if (kept) return decodeFrame(kept);
    const frame = await Promise.race([
      new Promise<Buffer>((resolve) => this.#waiting.push(resolve)),
      this.closed.then(({ code, reason }) => {
        throw new Error(`closed with ${code} ${reason} instead of a reply`);
      }),
    ]);
    return decodeFrame(frame);
  }

  /**
   * Stops reading from the network; what arrives fills the buffers of both operating systems, then
   * the node's.
   */
  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  async close(): Promise<Closed> {
    this.socket.close();
    return await this.closed;
  }
}

/** The status and body of a refused upgrade. */
export async function refusedUpgrade(
  url: string,
  protocols: string[] = [],
  options: ClientOptions = {},
): Promise<{ status: number; error: string }> {
  const socket = new WebSocket(url, protocols, options);
  const [request, response] = await once(socket, 'unexpected-response');
  let body = '';
  for await (const chunk of response) body += chunk;
  request.destroy();
  return { status: response.statusCode, error: (JSON.parse(body) as { error: string }).error };
}
