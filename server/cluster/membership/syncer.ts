/**
 * Compares all that two nodes know ("push-pull"): to join, at times to repair what gossip missed,
 * and with the dead and the seeds, so that the parts of a network that was split find each other
 * again.
 */
import type { Address } from '../ports.js';
import { type Core, pickSome } from './core.js';
import type { Hearsay } from './hearsay.js';
import { isLiving } from './member.js';
import type { Own } from './own.js';
import type { Post } from './post.js';
import { isClaim, type Message } from './wire.js';

/** Joins that wait for an answer, oldest first. */
interface Waiting {
  readonly addresses: ReadonlySet<Address>;
  readonly resolve: (isJoined: boolean) => void;
  readonly cancel: () => void;
}

/** Requests to seeds whose answer may tell who they are; older ones are forgotten. */
const REQUESTS_MAX = 64;

export class Syncer {
  readonly #core: Core;
  readonly #own: Own;
  readonly #post: Post;
  readonly #hearsay: Hearsay;
  readonly #seeds = new Set<Address>();
  /** Who answered at a seed: a seed's address may be another name of a member's. */
  readonly #seedNames = new Map<Address, string>();
  readonly #requests = new Map<number, Address>();
  readonly #waiting = new Set<Waiting>();
  #number = 0;
  /** When a stranger was asked last. */
  #metAtMs = 0;

  constructor(core: Core, own: Own, post: Post, hearsay: Hearsay) {
    this.#core = core;
    this.#own = own;
    this.#post = post;
    this.#hearsay = hearsay;
  }

  start(): void {
    const { random, preset } = this.#core;
    this.#waitForSync(preset.syncIntervalMs * random());
    this.#waitForReconnect(preset.reconnectIntervalMs * random());
  }

  join(addresses: Iterable<Address>): Promise<boolean> {
    const added = [...addresses].filter((address) => address !== this.#own.member.address);
    for (const address of added) this.#seeds.add(address);
    if (added.length === 0) return Promise.resolve(false);
    const joined = new Promise<boolean>((resolve) => {
      const cancel = this.#core.timers.after(this.#core.preset.joinTimeoutMs, () => {
        this.#waiting.delete(waiting);
        resolve(false);
      });
      const waiting = { addresses: new Set(added), resolve, cancel };
      this.#waiting.add(waiting);
    });
    for (const address of added) this.#request(address);
    return joined;
  }

  onRequest(from: Address, message: Message): void {
    if (message.sender === this.#own.member.id) {
      // A seed is this node itself, by another name.
      this.#noteSeed(message.number, this.#own.member.name);
      return;
    }
    this.#hearAll(message);
    // After that: what it says of us that is wrong is denied in the answer.
    this.#sendAll(from, 'syncReply', message.number);
  }

  onReply(message: Message): void {
    const seed = this.#requests.get(message.number);
    const by = this.#hearAll(message);
    if (by !== undefined) this.#noteSeed(message.number, by);
    // Others answer meanwhile, too.
    if (seed !== undefined) this.#settle(true, ({ addresses }) => addresses.has(seed));
  }

  /** Asks a node that nothing is known of; of many one at a time, the others come again. */
  meet(stranger: Address): void {
    const { timers, preset } = this.#core;
    const passedMs = timers.nowMs() - this.#metAtMs;
    if (passedMs >= 0 && passedMs < preset.gossipIntervalMs) return;
    this.#metAtMs = timers.nowMs();
    this.#request(stranger);
  }

  stop(): void {
    this.#settle(false);
  }

  #settle(isJoined: boolean, isMeant = (_: Waiting): boolean => true): void {
    for (const waiting of [...this.#waiting].filter(isMeant)) {
      this.#waiting.delete(waiting);
      waiting.cancel();
      waiting.resolve(isJoined);
    }
  }

  /** @returns the name of the sender */
  #hearAll({ sender, news }: Message): string | undefined {
    const by = news.find((record) => record.id === sender && !isClaim(record))?.name;
    // Alone, there is nobody else to tell.
    const isQuiet = this.#core.roster.peers().length === 0;
    for (const record of news) this.#hearsay.hear(record, { by, isSync: true, isQuiet });
    return by;
  }

  #noteSeed(number: number, name: string): void {
    const seed = this.#requests.get(number);
    if (seed !== undefined) this.#seedNames.set(seed, name);
    this.#requests.delete(number);
  }

  #request(to: Address): void {
    const number = ++this.#number;
    if (this.#seeds.has(to)) {
      this.#requests.set(number, to);
      this.#requests.delete(number - REQUESTS_MAX);
    }
    this.#sendAll(to, 'syncRequest', number);
  }

  #sendAll(to: Address, kind: 'syncRequest' | 'syncReply', number: number): void {
    this.#post.sendAll(to, kind, number, this.#core.roster.members.values());
  }

  #waitForSync(delayMs: number): void {
    this.#core.timers.after(delayMs, () => {
      const { roster, random, timers, preset } = this.#core;
      roster.forget(timers.nowMs(), preset.deadKeptMs);
      for (const { address } of pickSome(roster.peers(), 1, random)) this.#request(address);
      this.#waitForSync(preset.syncIntervalMs);
    });
  }

  #waitForReconnect(delayMs: number): void {
    this.#core.timers.after(delayMs, () => {
      this.#reconnect();
      this.#waitForReconnect(this.#core.preset.reconnectIntervalMs);
    });
  }

  /** Tries one of the dead or of the seeds that nobody is at; who is alone tries all seeds. */
  #reconnect(): void {
    const { roster, random, timers, preset, counters } = this.#core;
    if (this.#own.member.state !== 'alive') return;
    const seeds = this.#lostSeeds();
    const dead = roster.dead(timers.nowMs(), preset.deadKeptMs).map(({ address }) => address);
    const isAlone = roster.peers().length === 0;
    const tried = isAlone
      ? [...seeds, ...pickSome(dead, 1, random)]
      : pickSome([...dead, ...seeds], 1, random);
    for (const address of new Set(tried)) {
      counters.reconnects++;
      this.#request(address);
    }
  }

  /** Seeds at which no living member is known. */
  #lostSeeds(): Address[] {
    const { roster } = this.#core;
    const found = new Set(roster.peers().map(({ address }) => address));
    return [...this.#seeds].filter((seed) => {
      const name = this.#seedNames.get(seed);
      if (found.has(seed) || name === this.#own.member.name) return false;
      const member = name === undefined ? undefined : roster.get(name);
      return member === undefined || !isLiving(member);
    });
  }
}
