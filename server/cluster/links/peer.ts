/** What a node has to do with one address: a queue, at most one link in use, and dials. */
import type { Address, Clock, Random } from '../ports.js';
import { LinkCloseCode } from './close-code.js';
import type { Announcement } from './handshake.js';
import type { Outcome } from './introduction.js';
import type { Link } from './link.js';
import type { LinkCounters, LinkEvent, LinkSnapshot } from './link-event.js';
import { BATCH_BYTES, type LinkLimits, STEADY_MS } from './link-limits.js';
import { Outbox } from './outbox.js';

/** What a peer needs of those who have it. */
export interface PeerWorld {
  readonly self: Announcement;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: LinkLimits;
  readonly counters: LinkCounters;
  /** Starts a dial, which ends with a call of `dialEnded`. @returns gives it up */
  dial(peer: Peer): (why: string) => void;
  tell(event: LinkEvent): void;
  /** The peer has nothing left: no link, no dial, nothing that waits. */
  forget(peer: Peer): void;
}

export class Peer {
  readonly address: Address;
  readonly #world: PeerWorld;
  readonly #outbox = new Outbox();
  #link: Link | undefined;
  #announcement: Announcement | undefined;
  #giveUpDial: ((why: string) => void) | undefined;
  /** Takes back the end of the wait before the next dial; undefined: there is no wait. */
  #cancelWait: (() => void) | undefined;
  /** Takes back the flush at the end of this turn. */
  #planned: NodeJS.Immediate | undefined;
  /** Dials that failed, and links that broke soon, one after another. */
  #failures = 0;
  #trouble: string | undefined;
  #closed = false;

  constructor(address: Address, world: PeerWorld) {
    this.address = address;
    this.#world = world;
  }

  get backlogBytes(): number {
    return this.#outbox.bytes + (this.#link?.bufferedBytes ?? 0);
  }

  get isUp(): boolean {
    return this.#link?.isOpen === true;
  }

  /** @param frontBytes as a transport gets them (ports.ts) */
  send(message: Uint8Array, frontBytes = 0): void {
    const { clock, limits, counters } = this.#world;
    if (!this.isUp) {
      this.#outbox.push(message, clock.now(), frontBytes);
      this.#dropOld();
      counters.droppedUnreachable += this.#outbox.dropBeyond(limits.queueBytesMax);
      this.#dialSoon();
    } else if (this.backlogBytes + message.length > limits.backlogBytesMax) {
      // The new one, not the oldest: that is with the socket already.
      counters.droppedBacklog++;
    } else {
      this.#outbox.push(message, clock.now(), frontBytes);
      if (this.#outbox.bytes >= BATCH_BYTES) this.#flush();
      // At the end of the turn: what is sent until then goes in the same frame.
      else this.#planned ??= setImmediate(() => this.#flush());
    }
  }

  /** Gives all that waits to the peer that is reached at this address under another name. */
  moveTo(other: Peer): void {
    this.#outbox.moveTo(other.#outbox);
  }

  /**
   * Takes a link that a handshake has opened. Where there is one already, both ends decide by the
   * same rules which of the two stays; the other one carries what it has been given, then ends.
   */
  admit(link: Link): void {
    const old = this.#link;
    if (old === undefined) {
      this.#use(link);
      this.#world.tell({ type: 'linkUp', peer: link.peer, dialed: link.dialed });
    } else if (old.peer.run !== link.peer.run) {
      // The peer has started anew; the old link leads to nobody.
      const reason = 'the peer started anew';
      this.#world.tell({ type: 'linkDown', peer: old.peer, reason });
      this.#use(link);
      this.#world.tell({ type: 'linkUp', peer: link.peer, dialed: link.dialed });
      old.close(LinkCloseCode.replaced, reason);
    } else if (!old.isOpen || old.dialed === link.dialed) {
      // Nobody dials who has a link: the one who dialed has lost the old one.
      this.#use(link);
      old.close(LinkCloseCode.replaced, 'the peer dialed anew');
    } else if (this.#dialerOf(link) < this.#dialerOf(old)) {
      // The dials have crossed: that of the lower address stays. Each end has, or will have, seen
      // both, since no link opens at one end only.
      this.#use(link);
      old.close(LinkCloseCode.crossed, 'another link stays');
    } else {
      link.close(LinkCloseCode.crossed, 'another link stays');
      // Unless the peer has lost the link that stays, and so dialed: then it would find no way in.
      old.doubt();
    }
  }

  /** What waits is not sent any more. */
  discard(): void {
    this.#world.counters.droppedUnreachable += this.#outbox.clear();
  }

  linkClosed(link: Link, code: number, reason: string): void {
    if (link !== this.#link) return;
    const { clock, tell } = this.#world;
    this.#link = undefined;
    this.#trouble = code === LinkCloseCode.idle ? undefined : reason;
    tell({ type: 'linkDown', peer: link.peer, reason });
    if (code === LinkCloseCode.idle) {
      this.#dialOrRest();
      return;
    }
    this.#failures = clock.now() - link.sinceMs < STEADY_MS ? this.#failures + 1 : 0;
    // It broke after a good while: whether the peer is no more, a dial tells.
    if (this.#failures === 0 && code === LinkCloseCode.broke && !this.#closed) this.#dialSoon();
    else this.#wait(this.#backoffMs());
  }

  dialEnded(outcome: Outcome): void {
    this.#giveUpDial = undefined;
    if (outcome.state === 'through') return;
    // A link that the peer dialed stands; there is nothing to dial for.
    if (this.#link !== undefined) return;
    this.#trouble = outcome.why;
    const isRefused = outcome.state === 'refused';
    const waitMs = isRefused ? this.#world.limits.refusedBackoffMs : this.#backoffMs();
    this.#failures++;
    this.#wait(waitMs);
  }

  snapshot(): LinkSnapshot {
    return {
      address: this.address,
      state: this.#link ? 'up' : this.#giveUpDial ? 'dialing' : 'waiting',
      peer: this.#announcement,
      link: this.#link?.snapshot(),
      backlogBytes: this.backlogBytes,
      trouble: this.#trouble,
    };
  }

  /** Sends what can be sent, and does nothing more. Its links are closed by who made them. */
  close(): void {
    this.#closed = true;
    this.#flush();
    this.discard();
    this.#cancelWait?.();
    this.#giveUpDial?.('this node is closing');
  }

  #use(link: Link): void {
    this.#link = link;
    this.#announcement = link.peer;
    this.#trouble = undefined;
    this.#cancelWait?.();
    this.#cancelWait = undefined;
    this.#dropOld();
    this.#flush();
  }

  #flush(): void {
    if (this.#planned !== undefined) clearImmediate(this.#planned);
    this.#planned = undefined;
    // Not open: it waits for the next link.
    if (this.isUp) this.#link!.flush(this.#outbox);
  }

  /** Dials, unless it does already, or shall wait, or the link in use is just closing. */
  #dialSoon(): void {
    if (this.#giveUpDial ?? this.#cancelWait ?? this.#link) return;
    const { counters } = this.#world;
    counters.dials++;
    if (this.#failures > 0) counters.redials++;
    this.#giveUpDial = this.#world.dial(this);
  }

  #wait(delayMs: number): void {
    if (this.#closed) return;
    this.#cancelWait?.();
    this.#cancelWait = this.#world.clock.after(delayMs, () => {
      this.#cancelWait = undefined;
      this.#dialOrRest();
    });
  }

  #dialOrRest(): void {
    this.#dropOld();
    if (this.#outbox.length > 0) this.#dialSoon();
    else if ((this.#giveUpDial ?? this.#link) === undefined) this.#world.forget(this);
  }

  #dropOld(): void {
    const { clock, limits, counters } = this.#world;
    counters.droppedUnreachable += this.#outbox.dropBefore(clock.now() - limits.queueAgeMs);
  }

  /**
   * Doubled with each failure, then a random point of the upper half: peers of a node that comes
   * back do not all dial at once, and no series of draws becomes a busy loop.
   */
  #backoffMs(): number {
    const { limits, random } = this.#world;
    const doubledMs = limits.backoffMs * 2 ** Math.min(this.#failures, 30);
    return Math.min(doubledMs, limits.backoffMsMax) * (0.5 + random() / 2);
  }

  #dialerOf(link: Link): Address {
    return link.dialed ? this.#world.self.address : link.peer.address;
  }
}
