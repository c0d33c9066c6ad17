/**
 * Frames that other nodes want executed, here or by a node that they do not reach. Each runs once,
 * though it may come twice: from its origin, and by a detour (forwarder.ts).
 *
 * What comes late must not run at all: who asked has found this node dead, has had another one run
 * the frame, and somebody may have written something else since. So each frame tells the *epoch* of
 * the node that it is sent to (a fencing token), and a node begins a new one before it runs what
 * may be old: when it was paused, when it hears that it was thought dead, and when a frame was long
 * on its way. Of an epoch before it runs nothing, and says so; who still waits asks again. What was
 * not delivered when a node was found dead is not delivered later (`Transport.reset`).
 */
import type { ClusterBug, FrameRunner } from './cluster-world.js';
import { ANSWER_MS, STALE } from './forwarder.js';
import { type Forward, type Forwarded, Kind, type Message } from './messages.js';
import type { Clock } from './ports.js';

/** Requests of an origin whose replies are remembered. */
const REPLIES_MAX = 4_096;
/** Of those before them, that they were run: as many as come while a copy may be on its way. */
const RUNS_MAX = 65_536;
/** Longer replies are not kept: who asks once more has to ask anew. */
const REPLY_KEPT_BYTES = 1_024;
/** The least time on the way is that of the last one or two of these: clocks drift. */
const LEAST_MS = 60_000;

const NOTHING_DONE = new Uint8Array(0);

/** Of one origin. */
interface Origin {
  readonly runs: Runs;
  readonly way: Way;
}

export interface ForwardReceiverWorld {
  readonly selfId: string;
  readonly clock: Clock;
  readonly bug?: ClusterBug | undefined;
  send(peer: string, message: Message): void;
  readonly frames: Pick<FrameRunner, 'execute' | 'executeInstead'>;
  /** Has the target execute it. */
  pass(message: Forward): Promise<Uint8Array>;
}

export class ForwardReceiver {
  readonly #world: ForwardReceiverWorld;
  readonly #origins = new Map<string, Origin>();
  /** From the time on: one that was started again at the same address has another one. */
  #epoch: number;
  #epochBeganMs: number;

  constructor(world: ForwardReceiverWorld) {
    this.#world = world;
    this.#epochBeganMs = world.clock.now();
    this.#epoch = Math.floor(this.#epochBeganMs);
  }

  /** What was sent before does not run, unless whoever sent it still wants it. */
  beginEpoch(): void {
    this.#epoch++;
    this.#epochBeganMs = this.#world.clock.now();
  }

  /** So what the peer will ask for need not be refused first. */
  tellEpoch(peer: string): void {
    this.#send(peer, { request: 0, isStale: false, reply: NOTHING_DONE });
  }

  async answer(message: Forward): Promise<void> {
    const { clock, bug } = this.#world;
    const { from, request, asked, epoch } = message;
    const { runs, way } = this.#originOf(message.origin);
    let run = bug === 'run-twice' ? undefined : runs.get(asked);
    if (run === 'over') return;
    const nowMs = clock.now();
    // Who asked in an epoch has heard of it, and so cannot have asked before it began.
    const delayMs = Math.min(way.delayMs(message, nowMs), nowMs - this.#epochBeganMs);
    if (!run) {
      if (delayMs > ANSWER_MS + message.waitMs) this.beginEpoch();
      const isStale = epoch !== this.#epoch && bug !== 'run-stale';
      run = isStale ? Promise.resolve(STALE) : this.#run(message);
      runs.add(asked, run);
    }
    const reply = await run;
    const isStale = reply === STALE;
    // It may be asked for again by who still waits.
    if (isStale) runs.delete(asked);
    else if (reply.length > REPLY_KEPT_BYTES) runs.end(asked);
    this.#send(from, { request, isStale, reply });
  }

  /** An origin will not be back. One that is only dead may have been paused, and ask again. */
  forget(origin: string): void {
    this.#origins.delete(origin);
  }

  #send(to: string, answer: Pick<Forwarded, 'request' | 'isStale' | 'reply'>): void {
    const { selfId, send } = this.#world;
    send(to, { ...answer, kind: Kind.FORWARDED, from: selfId, epoch: this.#epoch });
  }

  async #run(message: Forward): Promise<Uint8Array> {
    const { selfId, frames, pass } = this.#world;
    const { frame, target } = message;
    if (target === selfId) return (await frames.execute(frame)) ?? NOTHING_DONE;
    const reply = await frames.executeInstead(frame);
    if (reply) return reply;
    // What is wrong there, the origin finds out by itself.
    return pass(message).catch(() => NOTHING_DONE);
  }

  #originOf(id: string): Origin {
    let origin = this.#origins.get(id);
    if (!origin) {
      origin = { runs: new Runs(), way: new Way() };
      this.#origins.set(id, origin);
    }
    return origin;
  }
}

/** What was run of late for an origin, by number. */
class Runs {
  readonly #replies = new Map<number, Promise<Uint8Array>>();
  /** Those that were run, and whose replies are not kept. */
  readonly #over = new Set<number>();

  get(asked: number): Promise<Uint8Array> | 'over' | undefined {
    return this.#over.has(asked) ? 'over' : this.#replies.get(asked);
  }

  add(asked: number, run: Promise<Uint8Array>): void {
    this.#replies.set(asked, run);
    if (this.#replies.size > REPLIES_MAX) this.end(this.#replies.keys().next().value!);
  }

  /** The reply is not kept any longer. */
  end(asked: number): void {
    if (!this.#replies.delete(asked)) return;
    this.#over.add(asked);
    if (this.#over.size > RUNS_MAX) this.#over.delete(this.#over.values().next().value!);
  }

  /** It was not run. */
  delete(asked: number): void {
    this.#replies.delete(asked);
  }
}

/**
 * How long messages of an origin were on their way, beyond the least time: the difference of the
 * two clocks is not known, but it hardly changes.
 */
class Way {
  #sinceMs = Number.NEGATIVE_INFINITY;
  #least = Number.POSITIVE_INFINITY;
  #leastBefore = Number.POSITIVE_INFINITY;

  delayMs({ sentAtMs }: Forward, nowMs: number): number {
    const takenMs = nowMs - sentAtMs;
    if (Math.abs(nowMs - this.#sinceMs) > LEAST_MS) {
      this.#sinceMs = nowMs;
      this.#leastBefore = this.#least;
      this.#least = Number.POSITIVE_INFINITY;
    }
    this.#least = Math.min(this.#least, takenMs);
    return takenMs - Math.min(this.#least, this.#leastBefore);
  }
}
