/** Frames that another node is to execute, and those that others want executed here. */

import { SlabringError } from '../../engine/errors.js';
import type { ClusterBug } from './cluster-world.js';
import { type Forward, type Forwarded, Kind, type Message } from './messages.js';
import type { Clock } from './ports.js';

/** How long an answer may take, beside what the frame itself waits for. */
const ANSWER_MS = 2_000;
/** Requests of a peer that are remembered, so that none runs twice when its message comes twice. */
const REMEMBERED_MAX = 4_096;

interface Waiting {
  readonly peer: string;
  readonly resolve: (reply: Uint8Array) => void;
  readonly reject: (error: SlabringError) => void;
  readonly cancel: () => void;
}

export interface ForwarderWorld {
  readonly bug?: ClusterBug | undefined;
  readonly selfId: string;
  readonly clock: Clock;
  send(peer: string, message: Message): void;
  /** Executes a frame here; undefined: some of its keys are not this node's business. */
  execute(frame: Uint8Array): Promise<Uint8Array | undefined>;
}

export class Forwarder {
  readonly #world: ForwarderWorld;
  readonly #waiting = new Map<number, Waiting>();
  /** By peer: the requests that have come. */
  readonly #seen = new Map<string, Set<number>>();
  #last = 0;

  constructor(world: ForwarderWorld) {
    this.#world = world;
  }

  /**
   * Has a peer execute a frame.
   * @param waitMs how long the frame may wait for what it asks for
   * @returns the reply frame
   * @throws SlabringError `UNAVAILABLE`: there was no answer, and nobody knows whether it ran; or
   *   that node does not take the keys
   */
  forward(peer: string, frame: Uint8Array, waitMs = 0): Promise<Uint8Array> {
    const { selfId, clock, send } = this.#world;
    const request = ++this.#last;
    return new Promise((resolve, reject) => {
      const limitMs = ANSWER_MS + waitMs;
      const cancel = clock.after(limitMs, () => {
        this.#waiting.delete(request);
        const text = `the node that has the key did not answer within ${limitMs} ms`;
        reject(new SlabringError('UNAVAILABLE', text));
      });
      this.#waiting.set(request, { peer, resolve, reject, cancel });
      send(peer, { kind: Kind.FORWARD, from: selfId, request, frame });
    });
  }

  /** A peer is dead: what it was asked for it will not answer. */
  forget(peer: string): void {
    this.#seen.delete(peer);
    for (const [request, waiting] of this.#waiting) {
      if (waiting.peer !== peer) continue;
      waiting.cancel();
      this.#waiting.delete(request);
      waiting.reject(new SlabringError('UNAVAILABLE', 'the node that had the key has failed'));
    }
  }

  async answer({ from, request, frame }: Forward): Promise<void> {
    if (!this.#isNew(from, request) && this.#world.bug !== 'run-twice') return;
    const reply = (await this.#world.execute(frame)) ?? new Uint8Array(0);
    const { selfId } = this.#world;
    this.#world.send(from, { kind: Kind.FORWARDED, from: selfId, request, reply });
  }

  #isNew(from: string, request: number): boolean {
    const seen = this.#seen.get(from) ?? new Set<number>();
    this.#seen.set(from, seen);
    if (seen.has(request)) return false;
    seen.add(request);
    if (seen.size > REMEMBERED_MAX) seen.delete(seen.values().next().value!);
    return true;
  }

  take({ from, request, reply }: Forwarded): void {
    const waiting = this.#waiting.get(request);
    if (!waiting || waiting.peer !== from) return;
    waiting.cancel();
    this.#waiting.delete(request);
    if (reply.length > 0) waiting.resolve(reply);
    else waiting.reject(new SlabringError('TRYAGAIN', 'no node takes the key right now'));
  }

  stop(): void {
    for (const { cancel } of this.#waiting.values()) cancel();
    this.#waiting.clear();
  }
}
