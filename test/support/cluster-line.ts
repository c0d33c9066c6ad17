/** A client's connection to a node of a cluster: calls overlap, and each gives up in time. */
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { type Command, decodeFrame, encodeFrame } from './wire.js';

/** Beyond what a node itself waits for another one. */
export const CALL_LIMIT_MS = 4_000;

interface Waiting {
  readonly resolve: (replies: unknown[]) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/** What was asked for was done, or not: no reply tells. */
export class NoReply extends Error {}

export class Line {
  /** @param limitMs how long the node may take to let the client in */
  static async open(url: string, limitMs = CALL_LIMIT_MS): Promise<Line> {
    const socket = new WebSocket(url, { perMessageDeflate: false, handshakeTimeout: limitMs });
    await once(socket, 'open');
    return new Line(socket);
  }

  isOpen = true;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data: Buffer) => this.#take(data));
    socket.on('error', () => {});
    socket.on('close', () => this.#lose());
  }

  /** Replies to the commands of one frame. @throws NoReply */
  call(commands: readonly Command[], limitMs = CALL_LIMIT_MS): Promise<unknown[]> {
    if (!this.isOpen) return Promise.reject(new NoReply('the connection was lost before'));
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new NoReply(`no reply within ${limitMs} ms`));
      }, limitMs);
      this.#waiting.set(id, { resolve, reject, timer });
      this.#socket.send(encodeFrame(id, ...commands));
    });
  }

  /** The reply to one command. @throws NoReply */
  async one(...command: Command): Promise<unknown> {
    return (await this.call([command]))[0];
  }

  /** Drops the connection without a word. */
  end(): void {
    this.#socket.terminate();
    this.#lose();
  }

  #take(data: Buffer): void {
    const { id, replies } = decodeFrame(data);
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    clearTimeout(waiting.timer);
    this.#waiting.delete(id);
    waiting.resolve(replies);
  }

  #lose(): void {
    this.isOpen = false;
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(new NoReply('the connection was lost'));
    }
    this.#waiting.clear();
  }
}
