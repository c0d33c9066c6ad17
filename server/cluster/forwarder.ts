/**
 * Frames that another node is to execute. Where that node is silent they take a detour: another
 * one, or this one, executes what it can answer in its stead, or passes the frame on, as the way
 * between two nodes may be cut while all others reach both.
 */
import { SlabringError } from '../../engine/errors.js';
import type { FrameRunner } from './cluster-world.js';
import { type Forward, type Forwarded, Kind, type Message } from './messages.js';
import type { Clock } from './ports.js';

/** How long an answer may take, beside what the frame itself waits for. */
export const ANSWER_MS = 2_000;
/**
 * A node that has not answered anything for so long, though it was asked, is silent. Far above what
 * an answer takes, so that a busy node is not asked for more; and short beside the time until a
 * failure is known.
 */
const SILENT_MS = 100;

/** The longest time until `forward` ends. @param waitMs as there */
export function longestForwardMs(waitMs: number): number {
  return SILENT_MS + ANSWER_MS + waitMs;
}

/** In place of a reply frame: the node was asked in an epoch that is over. */
export const STALE = new Uint8Array(0);

/** That of no node. */
const UNKNOWN_EPOCH = 0;

/** Each copy has the epoch of the node that it is sent to. */
type Request = Omit<Forward, 'epoch'>;

interface Waiting {
  readonly peer: string;
  readonly limitMs: number;
  /** The node that was asked to see to it. */
  helper: string | undefined;
  readonly message: Request;
  readonly resolve: (reply: Uint8Array) => void;
  readonly reject: (error: SlabringError) => void;
  cancel: () => void;
}

/** What is known of a node's answers. */
interface Silence {
  lastAnswerMs: number;
  /** A frame waited too long, and no answer has come since. */
  isSilent: boolean;
}

export interface ForwarderWorld {
  readonly selfId: string;
  readonly clock: Clock;
  send(peer: string, message: Message): void;
  readonly frames: Pick<FrameRunner, 'executeInstead'>;
  /** Who else may see to a frame that a peer does not answer; undefined: there is nobody. */
  helperFor(frame: Uint8Array, peer: string): string | undefined;
}

export class Forwarder {
  readonly #world: ForwarderWorld;
  readonly #waiting = new Map<number, Waiting>();
  readonly #silences = new Map<string, Silence>();
  /** The epochs of nodes, as they told last (forward-receiver.ts). */
  readonly #epochs = new Map<string, number>();
  #last = 0;

  constructor(world: ForwarderWorld) {
    this.#world = world;
  }

  /**
   * Has a peer execute a frame.
   * @param waitMs how long the frame may wait for what it asks for
   * @returns the reply frame
   * @throws SlabringError `UNAVAILABLE`: there was no answer, and nobody knows whether it ran;
   *   `TRYAGAIN`: that node does not take the keys, and nothing was done
   */
  forward(peer: string, frame: Uint8Array, waitMs = 0): Promise<Uint8Array> {
    const { selfId } = this.#world;
    const request = ++this.#last;
    const origin = { origin: selfId, asked: request, sentAtMs: this.#nowMs() };
    return this.#ask({ request, target: peer, frame, waitMs, ...origin }, true);
  }

  /**
   * Sends a frame on to the node that it is for.
   * @returns the reply frame, or {@link STALE}
   * @throws as {@link forward}
   */
  pass(message: Forward): Promise<Uint8Array> {
    return this.#ask({ ...message, request: ++this.#last }, false);
  }

  #ask(asked: Omit<Request, 'kind' | 'from'>, mayDetour: boolean): Promise<Uint8Array> {
    const { clock, selfId } = this.#world;
    const { request, target: peer, waitMs } = asked;
    const message: Request = { ...asked, kind: Kind.FORWARD, from: selfId };
    const limitMs = ANSWER_MS + waitMs;
    return new Promise((resolve, reject) => {
      const cancel = () => {};
      const helper = undefined;
      const waiting: Waiting = { peer, limitMs, helper, message, resolve, reject, cancel };
      this.#waiting.set(request, waiting);
      if (!mayDetour) this.#limit(request, waiting, limitMs);
      else if (this.#silenceOf(peer).isSilent) this.#detour(waiting);
      else waiting.cancel = clock.after(SILENT_MS, () => this.#onLate(waiting));
      this.#send(peer, message);
    });
  }

  #send(to: string, message: Request): void {
    this.#world.send(to, { ...message, epoch: this.#epochOf(to) });
  }

  #limit(request: number, waiting: Waiting, leftMs: number): void {
    waiting.cancel = this.#world.clock.after(leftMs, () => this.#onLimit(request, waiting));
  }

  #onLimit(request: number, waiting: Waiting): void {
    this.#waiting.delete(request);
    const text = `the node that has the key did not answer within ${waiting.limitMs} ms`;
    waiting.reject(new SlabringError('UNAVAILABLE', text));
  }

  /** There was no answer for a while. One that answers others is only busy. */
  #onLate(waiting: Waiting): void {
    const { message } = waiting;
    const silence = this.#silenceOf(waiting.peer);
    // This node was paused: what it asked for may be forgotten where it ran.
    if (this.#nowMs() - message.sentAtMs > waiting.limitMs) {
      this.#onLimit(message.request, waiting);
      return;
    }
    if (this.#nowMs() - silence.lastAnswerMs < SILENT_MS) {
      this.#limit(message.request, waiting, waiting.limitMs - SILENT_MS);
      return;
    }
    silence.isSilent = true;
    this.#detour(waiting);
  }

  #detour(waiting: Waiting): void {
    const { request, frame } = waiting.message;
    this.#limit(request, waiting, waiting.limitMs);
    const { frames, helperFor } = this.#world;
    void frames.executeInstead(frame).then((reply) => {
      if (this.#waiting.get(request) !== waiting) return;
      if (reply) {
        this.#settle(request, waiting);
        waiting.resolve(reply);
        return;
      }
      waiting.helper = helperFor(frame, waiting.peer);
      if (waiting.helper !== undefined) this.#send(waiting.helper, waiting.message);
    }, waiting.reject);
  }

  /** A peer is dead: what it was asked for it will not answer. */
  forget(peer: string): void {
    this.#silences.delete(peer);
    this.#epochs.delete(peer);
    for (const [request, waiting] of this.#waiting) {
      if (waiting.peer !== peer) continue;
      this.#settle(request, waiting);
      waiting.reject(new SlabringError('UNAVAILABLE', 'the node that had the key has failed'));
    }
  }

  take({ from, request, epoch, isStale, reply }: Forwarded): void {
    const waiting = this.#waiting.get(request);
    if (epoch > this.#epochOf(from)) this.#epochs.set(from, epoch);
    const silence = this.#silences.get(from);
    if (silence) {
      silence.lastAnswerMs = this.#nowMs();
      silence.isSilent = false;
    }
    if (!waiting) return;
    if (waiting.peer !== from && waiting.helper !== from) return;
    const isOwn = waiting.message.origin === this.#world.selfId;
    // It is still wanted, as who has given up does not wait; but only the origin knows that.
    if (isStale && isOwn) {
      this.#send(from, waiting.message);
      return;
    }
    // What the helper could not do, the node itself may yet.
    if (waiting.peer !== from && reply.length === 0) return;
    this.#settle(request, waiting);
    if (isStale) waiting.resolve(STALE);
    else if (reply.length > 0) waiting.resolve(reply);
    else waiting.reject(new SlabringError('TRYAGAIN', 'no node takes the key right now'));
  }

  stop(): void {
    for (const { cancel } of this.#waiting.values()) cancel();
    this.#waiting.clear();
  }

  #settle(request: number, { cancel }: Waiting): void {
    cancel();
    this.#waiting.delete(request);
  }

  #epochOf(peer: string): number {
    return this.#epochs.get(peer) ?? UNKNOWN_EPOCH;
  }

  #silenceOf(peer: string): Silence {
    let silence = this.#silences.get(peer);
    if (!silence) {
      silence = { lastAnswerMs: Number.NEGATIVE_INFINITY, isSilent: false };
      this.#silences.set(peer, silence);
    }
    return silence;
  }

  #nowMs(): number {
    return Math.floor(this.#world.clock.now());
  }
}
