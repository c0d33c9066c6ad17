/** One open link: a WebSocket whose two ends have proven who they are. */
import { performance } from 'node:perf_hooks';
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { Clock } from '../ports.js';
import { decodeBatch } from './batch.js';
import { cutReason, LinkCloseCode } from './close-code.js';
import type { Announcement } from './handshake.js';
import type { LinkCounters, LinkSnapshot } from './link-event.js';
import { DOUBT_MS, type LinkLimits } from './link-limits.js';
import type { Outbox } from './outbox.js';
import { resetTcp } from './tcp.js';

export interface LinkOptions {
  readonly socket: WebSocket;
  /** What it runs on. */
  readonly connection: Duplex;
  readonly peer: Announcement;
  /** Whether this end dialed. */
  readonly dialed: boolean;
  readonly clock: Clock;
  readonly limits: LinkLimits;
  readonly counters: LinkCounters;
  onMessage(message: Uint8Array): void;
  /** Once, when the socket is gone. */
  onClose(code: number, reason: string): void;
}

const BINARY = { binary: true, compress: false };

export class Link {
  readonly peer: Announcement;
  readonly dialed: boolean;
  /** Unix time in ms. */
  readonly sinceMs: number;
  readonly #socket: WebSocket;
  readonly #connection: Duplex;
  readonly #clock: Clock;
  readonly #limits: LinkLimits;
  readonly #counters: LinkCounters;
  #messagesIn = 0;
  #messagesOut = 0;
  #bytesIn = 0;
  #bytesOut = 0;
  /** Given to the socket, framing included. */
  #writtenBytes = 0;
  /** Why we ended it, where we did. */
  #reason: string | undefined;
  /** Anything came, a ping or its answer included, since `#hasLived` was asked. */
  #heard = true;
  /** Of `#writtenBytes`, what the network had taken when `#hasLived` was asked. */
  #takenBytes = 0;
  /** Of `#messagesIn` and `#messagesOut`, at the last look. */
  #messagesSeen = 0;
  #silentLooks = 0;
  #idleLooks = 0;
  /** When the ping that is out was sent; undefined: none is. */
  #pingedAtMs: number | undefined;
  #roundTripMs: number | undefined;
  #cancelDoubt: (() => void) | undefined;

  constructor(options: LinkOptions) {
    const { socket, connection, peer, dialed, clock, limits, counters } = options;
    this.#socket = socket;
    this.#connection = connection;
    this.peer = peer;
    this.dialed = dialed;
    this.sinceMs = clock.now();
    this.#clock = clock;
    this.#limits = limits;
    this.#counters = counters;
    const take = (message: Uint8Array) => {
      this.#messagesIn++;
      this.#bytesIn += message.length;
      counters.messagesIn++;
      counters.bytesIn += message.length;
      options.onMessage(message);
    };
    socket.on('message', (frame: Buffer, isBinary: boolean) => {
      this.#heard = true;
      // An end that has closed for a fault still gets what was under way; it is not to be trusted.
      if (this.#reason === BROKEN) return;
      if (!isBinary || decodeBatch(frame, take) === 0) this.close(LinkCloseCode.broken, BROKEN);
    });
    socket.on('ping', () => {
      this.#heard = true;
    });
    socket.on('pong', () => this.#onPong());
    socket.on('error', (error) => {
      this.#reason ??= error.message;
    });
    socket.on('close', (code: number, reason: Buffer) => {
      this.#cancelDoubt?.();
      options.onClose(code, this.#reason ?? (reason.toString() || whyClosed(code)));
    });
  }

  /** Whether messages can still be given to it; not so from the moment that either end closes. */
  get isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN;
  }

  /** Given to the socket, not yet taken by the system. */
  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  /** Gives the socket all that waits. Only while it is open. */
  flush(outbox: Outbox): void {
    const bytes = outbox.bytes;
    let messages = 0;
    while (outbox.length > 0) {
      const batch = outbox.takeBatch();
      messages += batch.messages;
      this.#writtenBytes += batch.frame.length;
      this.#socket.send(batch.frame, BINARY);
    }
    this.#messagesOut += messages;
    this.#bytesOut += bytes;
    this.#counters.messagesOut += messages;
    this.#counters.bytesOut += bytes;
  }

  /** Ends it when what was sent has left; what the peer has sent until then still comes. */
  close(code: number, reason: string): void {
    this.#reason ??= reason;
    this.#socket.close(code, cutReason(reason));
  }

  /** Ends it at once. */
  terminate(reason: string): void {
    this.#reason ??= reason;
    this.#socket.terminate();
  }

  /** Ends it at once, and takes back what the peer's machine has not got yet. */
  reset(reason: string): void {
    this.#reason ??= reason;
    resetTcp(this.#connection);
    this.#socket.terminate();
  }

  /**
   * Pings, or ends a link that is silent or idle. Called every `pingMs`: durations are counted in
   * calls, as the time of day may jump.
   */
  look(): void {
    if (!this.isOpen) return;
    const { pingMs, silentMs, idleMs } = this.#limits;
    this.#silentLooks = this.#hasLived() ? 0 : this.#silentLooks + 1;
    const messages = this.#messagesIn + this.#messagesOut;
    this.#idleLooks = messages === this.#messagesSeen ? this.#idleLooks + 1 : 0;
    this.#messagesSeen = messages;
    if (this.#silentLooks * pingMs >= silentMs) {
      this.terminate(`silent for ${this.#silentLooks * pingMs} ms`);
    } else if (this.#idleLooks * pingMs >= idleMs) {
      this.close(LinkCloseCode.idle, `idle for ${this.#idleLooks * pingMs} ms`);
    } else {
      this.#ping();
    }
  }

  /** Ends it unless something is heard of the peer within {@link DOUBT_MS}. */
  doubt(): void {
    if (this.#cancelDoubt !== undefined || !this.isOpen) return;
    this.#hasLived();
    this.#ping();
    this.#cancelDoubt = this.#clock.after(DOUBT_MS, () => {
      this.#cancelDoubt = undefined;
      if (!this.#hasLived()) this.terminate('the peer dialed anew, and does not answer here');
    });
  }

  snapshot(): LinkSnapshot['link'] {
    return {
      sinceMs: this.sinceMs,
      dialed: this.dialed,
      messagesIn: this.#messagesIn,
      messagesOut: this.#messagesOut,
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      roundTripMs: this.#roundTripMs,
    };
  }

  /** Whether the peer has said or taken anything since the last call. */
  #hasLived(): boolean {
    const takenBytes = this.#writtenBytes - this.bufferedBytes;
    const hasLived = this.#heard || takenBytes > this.#takenBytes;
    this.#heard = false;
    this.#takenBytes = takenBytes;
    return hasLived;
  }

  #ping(): void {
    // One at a time: an answer does not say to which ping it belongs. None while one is out also
    // means that pings do not pile up behind a backlog.
    if (this.#pingedAtMs !== undefined) return;
    this.#pingedAtMs = performance.now();
    this.#socket.ping();
  }

  #onPong(): void {
    this.#heard = true;
    if (this.#pingedAtMs === undefined) return;
    this.#roundTripMs = performance.now() - this.#pingedAtMs;
    this.#pingedAtMs = undefined;
  }
}

/** For what closes without a reason of its own. */
function whyClosed(code: number): string {
  return code === 1009 ? 'a message was longer than the peer allows' : 'the connection broke';
}

const BROKEN = 'the peer sent bytes that are no frame';
