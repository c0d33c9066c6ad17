/**
 * The simulated network: messages that come late, twice, in another order, or never. Each direction
 * between two addresses is a link of its own.
 */
import { Buffer } from 'node:buffer';
import type { Address, Random } from '../../server/cluster/ports.js';
import { between, exponential } from './random.js';
import type { Schedule } from './schedule.js';

/** How a link treats messages. */
export interface LinkProfile {
  /** Every message takes so long at least. */
  readonly delayMs: number;
  /** And so much longer on average, exponentially distributed: later messages overtake. */
  readonly jitterMs: number;
  /** Part of the messages, 0 to 1, that take up to `spikeMs` longer still. */
  readonly spikes: number;
  readonly spikeMs: number;
  /** Part of the messages that never come. */
  readonly loss: number;
  /** Part of the messages that come twice. */
  readonly duplicates: number;
  /** Messages come in the order they were sent, as on one TCP connection. */
  readonly isOrdered: boolean;
  /**
   * What is sent while the way is cut, or is on it then, comes when it is mended, as TCP has it;
   * otherwise it is lost.
   */
  readonly isStubborn: boolean;
  /** What a link takes; more waits with the sender. */
  readonly bytesPerMs: number;
}

/** Of what is read as numbers of four bytes. */
const WORD_BYTES = 4;

/** One site, as good as networks get. */
export const LAN_LINK: LinkProfile = {
  ...{ delayMs: 0.2, jitterMs: 0.3, spikes: 0, spikeMs: 0 },
  ...{ loss: 0, duplicates: 0, isOrdered: false, isStubborn: false },
  bytesPerMs: Number.POSITIVE_INFINITY,
};

export interface NetworkCounters {
  sent: number;
  delivered: number;
  lost: number;
  duplicated: number;
  bytes: number;
}

interface Link {
  profile: LinkProfile | undefined;
  isCut: boolean;
  /** Until then it is busy with what was sent before. */
  busyUntilMs: number;
  /** When the last one comes, where messages come in order. */
  lastAtMs: number;
  /** What waits for the way to be mended. */
  stuck: Uint8Array[];
  /** Counts resets: what was sent before the last one does not come. */
  resets: number;
}

/** Takes a message that has come; whether somebody was there. */
export type Deliver = (from: Address, to: Address, bytes: Uint8Array) => boolean;

export class Network {
  readonly counters: NetworkCounters = {
    ...{ sent: 0, delivered: 0, lost: 0, duplicated: 0, bytes: 0 },
  };
  readonly #schedule: Schedule;
  readonly #random: Random;
  readonly #deliver: Deliver;
  readonly #links = new Map<Address, Map<Address, Link>>();
  /** The part of a split network that an address is in. */
  #sides: ReadonlyMap<Address, number> | undefined;
  #profile: LinkProfile = LAN_LINK;

  constructor(schedule: Schedule, random: Random, deliver: Deliver) {
    this.#schedule = schedule;
    this.#random = random;
    this.#deliver = deliver;
  }

  /** All links without a profile of their own. */
  setProfile(profile: Partial<LinkProfile>): void {
    this.#profile = { ...LAN_LINK, ...profile };
  }

  /** One direction only. */
  setLink(from: Address, to: Address, profile: Partial<LinkProfile>): void {
    this.#link(from, to).profile = { ...this.#profile, ...profile };
  }

  /**
   * Splits it: only those of one part hear each other. Who is in no part hears all, and is heard.
   */
  split(...parts: readonly (readonly Address[])[]): void {
    this.#sides = new Map(parts.flatMap((part, side) => part.map((address) => [address, side])));
  }

  /** Nothing goes from one to the other; the other way is as it was. */
  cut(from: Address, to: Address): void {
    this.#link(from, to).isCut = true;
  }

  /** No splits, no cuts. */
  heal(): void {
    this.#sides = undefined;
    for (const [from, links] of this.#links) {
      for (const [to, link] of links) {
        link.isCut = false;
        const profile = link.profile ?? this.#profile;
        for (const bytes of link.stuck.splice(0)) this.#post(from, to, bytes, link, profile);
      }
    }
  }

  /** What is on its way from one to the other does not come. */
  reset(from: Address, to: Address): void {
    const link = this.#link(from, to);
    link.resets++;
    link.stuck = [];
  }

  send(from: Address, to: Address, bytes: Uint8Array): void {
    const { counters } = this;
    counters.sent++;
    counters.bytes += bytes.length;
    const link = this.#link(from, to);
    const profile = link.profile ?? this.#profile;
    const isOpen = this.#isOpen(from, to, link);
    if (this.#random() < profile.loss || !(isOpen || profile.isStubborn)) {
      counters.lost++;
      return;
    }
    const nowMs = this.#schedule.nowMs;
    link.busyUntilMs = Math.max(nowMs, link.busyUntilMs) + bytes.length / profile.bytesPerMs;
    // As sockets have it: in buffers, anywhere in memory. The sender may use its own again.
    const at = counters.sent % WORD_BYTES;
    const copy = Buffer.alloc(at + bytes.length).subarray(at);
    copy.set(bytes);
    if (!isOpen) {
      link.stuck.push(copy);
      return;
    }
    this.#post(from, to, copy, link, profile);
    if (this.#random() >= profile.duplicates) return;
    counters.duplicated++;
    this.#post(from, to, copy, link, profile);
  }

  backlogBytes(from: Address, to: Address): number {
    const link = this.#link(from, to);
    const waitMs = link.busyUntilMs - this.#schedule.nowMs;
    return waitMs > 0 ? Math.ceil(waitMs * (link.profile ?? this.#profile).bytesPerMs) : 0;
  }

  #post(from: Address, to: Address, bytes: Uint8Array, link: Link, profile: LinkProfile): void {
    let delayMs = profile.delayMs + exponential(this.#random, profile.jitterMs);
    if (this.#random() < profile.spikes) delayMs += between(this.#random, 0, profile.spikeMs);
    let atMs = link.busyUntilMs + delayMs;
    if (profile.isOrdered) atMs = Math.max(atMs, link.lastAtMs);
    link.lastAtMs = atMs;
    const { resets } = link;
    this.#schedule.at(atMs, () => {
      // What is on its way when the network splits does not come either.
      const isHere = link.resets === resets && this.#isOpen(from, to, link);
      if (isHere && this.#deliver(from, to, bytes)) this.counters.delivered++;
      else if (link.resets === resets && !isHere && profile.isStubborn) link.stuck.push(bytes);
      else this.counters.lost++;
    });
  }

  #isOpen(from: Address, to: Address, link: Link): boolean {
    if (link.isCut) return false;
    const side = this.#sides?.get(from);
    const other = this.#sides?.get(to);
    return side === undefined || other === undefined || side === other;
  }

  #link(from: Address, to: Address): Link {
    let links = this.#links.get(from);
    if (links === undefined) {
      links = new Map();
      this.#links.set(from, links);
    }
    let link = links.get(to);
    if (link === undefined) {
      link = newLink();
      links.set(to, link);
    }
    return link;
  }
}

function newLink(): Link {
  return {
    ...{ profile: undefined, isCut: false, busyUntilMs: 0, lastAtMs: 0 },
    ...{ stuck: [], resets: 0 },
  };
}
