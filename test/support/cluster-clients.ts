/**
 * Clients that write and read all the time, through whatever node answers, and know afterwards what
 * a key may be. Keys: `stable:N` never change; `sure:N` are written with a quorum, each by one call
 * at a time; `count:N` are counted up; `loose:N` are written and deleted without any concern.
 */
// Sleeps: each place says why time must pass.
import { setTimeout as delay } from 'node:timers/promises';
import { Line } from './cluster-line.js';
import type { ClusterNode } from './cluster-processes.js';
import type { Random } from './fuzz-random.mjs';
import { type Command, WireError } from './wire.js';

export const STABLE = 1_000;
export const SURE = 300;
export const COUNTS = 50;
export const LOOSE = 500;

/** More than it takes to find a node dead: who waits longer is not answered any more. */
const CALL_MS = 2_500;
const QUORUM_MS = 1_000;
/** A client goes back to a node that did not answer after so long. */
const AVOIDED_MS = 10_000;
/** Calls of a client under way; more are not begun, and count as failed. */
const PENDING_MAX = 2_000;

export type Kind = 'read' | 'write' | 'quorum';

export interface Call {
  readonly kind: Kind;
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
}

export class ClusterClients {
  readonly calls: Call[] = [];
  /** Reads that gave an older write than one that was acknowledged before. */
  stale = 0;
  readonly #nodes: () => readonly ClusterNode[];
  readonly #random: Random;
  readonly #sure: Sure[] = Array.from({ length: SURE }, () => {
    return { isBusy: false, number: 0, acknowledged: null, unknown: new Set() };
  });
  readonly #running: Promise<void>[] = [];
  #isEnding = false;

  /** @param nodes those that run: a client that lost one goes to the next */
  constructor(nodes: () => readonly ClusterNode[], random: Random) {
    this.#nodes = nodes;
    this.#random = random;
  }

  start(clients: number, everyMs: number): void {
    for (let i = 0; i < clients; i++) this.#running.push(this.#run(i, everyMs));
  }

  async end(): Promise<void> {
    this.#isEnding = true;
    await Promise.all(this.#running);
  }

  /** What is wrong with the value that a key of `sure` has now. */
  lost(index: number, value: unknown): string | undefined {
    const { acknowledged, unknown } = this.#sure[index]!;
    if (value === acknowledged || unknown.has(value as string | null)) return undefined;
    return `sure:${index} is ${value}, not ${acknowledged}, nor one of ${[...unknown].join()}`;
  }

  /** Of the keys of `sure`: how many were written, by a quorum last. */
  isLastAcknowledged(index: number, value: unknown): boolean {
    return this.#sure[index]!.acknowledged === value;
  }

  async #run(client: number, everyMs: number): Promise<void> {
    let at = client;
    let line: Promise<Line> | undefined;
    const pending = new Set<Promise<void>>();
    /** By node: until when it is not asked, because it did not answer. */
    const avoided = new Map<ClusterNode, number>();
    let node: ClusterNode | undefined;
    const move = (failed: Promise<Line>, isUnanswered: boolean) => {
      // Once for all calls that failed there.
      if (line !== failed) return;
      if (isUnanswered) avoided.set(node!, performance.now() + AVOIDED_MS);
      line = undefined;
      at++;
    };
    const choose = (): ClusterNode => {
      const now = performance.now();
      const nodes = this.#nodes();
      const answering = nodes.filter((one) => (avoided.get(one) ?? 0) < now);
      const some = answering.length > 0 ? answering : nodes;
      return some[at % some.length]!;
    };
    const ask = async (commands: readonly Command[]): Promise<unknown[]> => {
      if (line === undefined) {
        node = choose();
        line = Line.open(node.url, CALL_MS);
      }
      const used = line;
      try {
        const replies = await (await used).call(commands, CALL_MS);
        if (replies.some((reply) => reply instanceof WireError)) move(used, false);
        return replies;
      } catch (error) {
        move(used, true);
        throw error;
      }
    };
    while (!this.#isEnding) {
      if (pending.size < PENDING_MAX) {
        const call = this.#one(ask);
        pending.add(call);
        void call.then(() => pending.delete(call));
      }
      // Sleeps: clients ask at a rate of their own.
      await delay(everyMs);
    }
    await Promise.all(pending);
    await (await line)?.end();
  }

  async #one(ask: (commands: readonly Command[]) => Promise<unknown[]>): Promise<void> {
    const choice = this.#random.below(10);
    const fromMs = performance.now();
    const note = (kind: Kind, wrong: string | undefined, isUnanswered = false) => {
      this.calls.push({ kind, fromMs, toMs: performance.now(), wrong, isUnanswered });
    };
    try {
      if (choice < 5) note('read', await this.#read(ask));
      else if (choice < 8) note('quorum', await this.#writeSure(ask));
      else note('write', await this.#write(ask));
    } catch (error) {
      const kind = choice < 5 ? 'read' : choice < 8 ? 'quorum' : 'write';
      note(kind, String(error), true);
    }
  }

  async #read(ask: (commands: readonly Command[]) => Promise<unknown[]>) {
    const i = this.#random.below(STABLE);
    const [reply] = await ask([['GET', `stable:${i}`]]);
    return reply === i ? undefined : textOf(reply, 'missed');
  }

  async #write(ask: (commands: readonly Command[]) => Promise<unknown[]>) {
    const key = `loose:${this.#random.below(LOOSE)}`;
    const choice = this.#random.below(4);
    const command: Command =
      choice === 0
        ? ['DEL', key]
        : choice === 1
          ? ['INCR', `count:${this.#random.below(COUNTS)}`]
          : ['SET', key, this.#random.word()];
    const [reply] = await ask([command]);
    return reply instanceof WireError ? textOf(reply, '') : undefined;
  }

  async #writeSure(ask: (commands: readonly Command[]) => Promise<unknown[]>) {
    const index = this.#random.below(SURE);
    const sure = this.#sure[index]!;
    const key = `sure:${index}`;
    if (sure.isBusy) return await this.#readSure(ask, index);
    sure.isBusy = true;
    const value = this.#random.below(4) === 0 ? null : `${index}.${++sure.number}`;
    let isDone = false;
    try {
      const write: Command = value === null ? ['DEL', key] : ['SET', key, value];
      const replies = await ask([write, ['WAIT', key, 'quorum', QUORUM_MS]]);
      const error = replies.find((reply) => reply instanceof WireError);
      isDone = error === undefined;
      return error === undefined ? undefined : textOf(error, '');
    } finally {
      if (isDone) sure.acknowledged = value;
      else sure.unknown.add(value);
      sure.isBusy = false;
    }
  }

  async #readSure(ask: (commands: readonly Command[]) => Promise<unknown[]>, index: number) {
    const { acknowledged } = this.#sure[index]!;
    const [reply] = await ask([['GET', `sure:${index}`]]);
    if (reply instanceof WireError) return textOf(reply, '');
    const numberOf = (value: unknown) => Number(String(value).split('.')[1] ?? -1);
    if (typeof reply === 'string' && numberOf(reply) < numberOf(acknowledged)) this.stale++;
    return undefined;
  }
}

/** An error without the numbers that differ each time. */
function textOf(reply: unknown, other: string): string {
  return reply instanceof WireError ? reply.text.replace(/\d{2,}/g, 'N') : other;
}
