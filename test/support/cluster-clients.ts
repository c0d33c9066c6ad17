/**
 * Clients that write and read all the time, half of them through whatever node answers, and know
 * afterwards what a key may be. Keys: `stable:N` never change; `sure:N` are written with a quorum,
 * each by one call at a time, and for a while only; `count:N` are counted up; `loose:N` are written
 * and deleted without any concern.
 */
// Sleeps: each place says why time must pass.
import { setTimeout as delay } from 'node:timers/promises';
import { type Caller, CallFailed, PlainCaller, RoutingCaller } from './cluster-callers.js';
import type { ClusterNode } from './cluster-processes.js';
import type { Random } from './fuzz-random.mjs';

export const STABLE = 1_000;
/** Of those that are written at a time. */
const SURE = 100;
export const COUNTS = 50;
export const LOOSE = 500;

/** Calls of a client under way; more are not begun, and count as failed. */
const PENDING_MAX = 2_000;

export type Kind = 'read' | 'write' | 'quorum';

export interface Call {
  readonly kind: Kind;
  readonly by: Caller['kind'];
  readonly fromMs: number;
  readonly toMs: number;
  readonly wrong: string | undefined;
  /** The node that the client asked did not answer at all. */
  readonly isUnanswered: boolean;
}

/** What a key that is written with a quorum may be. */
interface Sure {
  isBusy: boolean;
  number: number;
  /** The last write that a quorum has; null: deleted, or never written. */
  acknowledged: string | null;
  /** Writes of which nobody knows: they may be done at any time, even late. */
  readonly unknown: Set<string | null>;
  /** What was asked for, when and by whom, and what came of it. */
  readonly history: string[];
}

export class ClusterClients {
  readonly calls: Call[] = [];
  /** Reads that gave an older write than one that was acknowledged before. */
  stale = 0;
  readonly #nodes: () => readonly ClusterNode[];
  readonly #random: Random;
  readonly #sure: Sure[] = [];
  readonly #running: Promise<void>[] = [];
  #isEnding = false;

  /** @param nodes those that run: a client that lost one goes to the next */
  constructor(nodes: () => readonly ClusterNode[], random: Random) {
    this.#nodes = nodes;
    this.#random = random;
    this.turnOver();
  }

  /** So many keys of `sure` there are by now. */
  get sure(): number {
    return this.#sure.length;
  }

  /** From now on others of `sure` are written: what is undone of these is not written over. */
  turnOver(): void {
    for (let i = 0; i < SURE; i++) {
      this.#sure.push({
        isBusy: false,
        number: 0,
        acknowledged: null,
        unknown: new Set(),
        history: [],
      });
    }
  }

  /** @param each so many of both kinds of clients */
  async start(each: number, everyMs: number): Promise<void> {
    for (let i = 0; i < each; i++) {
      const callers = [
        new PlainCaller(this.#nodes, i),
        await RoutingCaller.open(this.#nodes()),
      ] as const;
      for (const caller of callers) this.#running.push(this.#run(caller, everyMs));
    }
  }

  async end(): Promise<void> {
    this.#isEnding = true;
    await Promise.all(this.#running);
  }

  /** What is wrong with the value that a key of `sure` has now. */
  lost(index: number, value: unknown): string | undefined {
    const { acknowledged, unknown, history } = this.#sure[index]!;
    if (value === acknowledged || unknown.has(value as string | null)) return undefined;
    const wanted = `not ${acknowledged}, nor one of ${[...unknown].join()}`;
    return `sure:${index} is ${value}, ${wanted}; ${history.join('; ')}`;
  }

  /** Of the keys of `sure`: how many were written, by a quorum last. */
  isLastAcknowledged(index: number, value: unknown): boolean {
    return this.#sure[index]!.acknowledged === value;
  }

  async #run(caller: Caller, everyMs: number): Promise<void> {
    const pending = new Set<Promise<void>>();
    while (!this.#isEnding) {
      if (pending.size < PENDING_MAX) {
        const call = this.#one(caller);
        pending.add(call);
        void call.then(() => pending.delete(call));
      }
      // Sleeps: clients ask at a rate of their own.
      await delay(everyMs);
    }
    await Promise.all(pending);
    await caller.end();
  }

  async #one(caller: Caller): Promise<void> {
    const choice = this.#random.below(10);
    const kind = choice < 5 ? 'read' : choice < 8 ? 'quorum' : 'write';
    const about = { kind, by: caller.kind, fromMs: performance.now() } as const;
    const note = (wrong: string | undefined, isUnanswered: boolean) => {
      this.calls.push({ ...about, toMs: performance.now(), wrong, isUnanswered });
    };
    try {
      if (kind === 'read') note(await this.#read(caller), false);
      else if (kind === 'quorum') note(await this.#writeSure(caller), false);
      else note(await this.#write(caller), false);
    } catch (error) {
      if (!(error instanceof CallFailed)) throw error;
      note(error.message, error.isUnanswered);
    }
  }

  async #read(caller: Caller): Promise<string | undefined> {
    const i = this.#random.below(STABLE);
    return (await caller.get(`stable:${i}`)) === i ? undefined : 'missed';
  }

  async #write(caller: Caller): Promise<undefined> {
    const key = `loose:${this.#random.below(LOOSE)}`;
    const choice = this.#random.below(4);
    if (choice === 0) await caller.write(['DEL', key]);
    else if (choice === 1) await caller.write(['INCR', `count:${this.#random.below(COUNTS)}`]);
    else await caller.write(['SET', key, this.#random.word()]);
  }

  async #writeSure(caller: Caller): Promise<undefined> {
    const index = this.#sure.length - 1 - this.#random.below(SURE);
    const sure = this.#sure[index]!;
    if (sure.isBusy) return await this.#readSure(caller, index);
    sure.isBusy = true;
    const value = this.#random.below(4) === 0 ? null : `${index}.${++sure.number}`;
    const fromMs = performance.now();
    let outcome = 'failed';
    try {
      outcome = (await caller.writeSure(`sure:${index}`, value)) ? 'done' : 'absent';
    } finally {
      if (outcome === 'absent' && sure.acknowledged !== null) this.stale++;
      if (outcome === 'done') sure.acknowledged = value;
      // To find nothing is a read, which may be old; unless it ran twice.
      else sure.unknown.add(value);
      const took = `${fromMs.toFixed(0)} to ${performance.now().toFixed(0)}`;
      sure.history.push(`${took} ${caller.kind} ${value} ${outcome}`);
      sure.isBusy = false;
    }
  }

  async #readSure(caller: Caller, index: number): Promise<undefined> {
    const { acknowledged } = this.#sure[index]!;
    const value = await caller.get(`sure:${index}`);
    const numberOf = (text: unknown) => Number(String(text).split('.')[1] ?? -1);
    if (typeof value === 'string' && numberOf(value) < numberOf(acknowledged)) this.stale++;
  }
}
