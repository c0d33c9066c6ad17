/**
 * Finds out who does not answer (SWIM, "failure detector"): one member a period, round robin over a
 * list that is shuffled after each round. Where no answer comes in time some others are asked to
 * try; where none comes in the whole period the member is suspect.
 */
import type { Address } from '../ports.js';
import { type Core, pickSome } from './core.js';
import type { Hearsay } from './hearsay.js';
import type { Member } from './member.js';
import type { Own } from './own.js';
import type { Post } from './post.js';
import { Rotation } from './rotation.js';
import type { Message } from './wire.js';

interface Probe {
  readonly number: number;
  readonly target: Member;
  /** Helpers that were asked: each answers, in time and if it lives, with an ack or a nack. */
  asked: number;
  nacks: number;
  isAnswered: boolean;
  cancelTimeout: () => void;
}

/** A probe for another node. */
interface Relay {
  readonly to: Address;
  readonly number: number;
  readonly cancelTimeout: () => void;
}

/** A nack is sent after this part of a timeout, so that it is there before the period is over. */
const NACK_SHARE = 0.75;

/**
 * So many nodes, on average, probe a suspect at once that another one named: two confirmations
 * or a denial come soon (with 4 it was one in ten that they did not), and nobody floods it.
 */
const PROMPT_PROBES = 8;

/** Others that are told before a death: with one of them lost, one still answers. */
const LAST_CALLS = 2;

export class Prober {
  readonly #core: Core;
  readonly #own: Own;
  readonly #post: Post;
  readonly #hearsay: () => Hearsay;
  readonly #rotation: Rotation;
  /** Names that are probed before it is their turn. */
  readonly #prompt = new Set<string>();
  #probe: Probe | undefined;
  readonly #relays = new Map<number, Relay>();
  #number = 0;
  /** The id of who has this node's name and has answered it: that one knows of this node. */
  #answered: string | undefined;
  #cancelTick: () => void = () => {};

  constructor(core: Core, own: Own, post: Post, hearsay: () => Hearsay) {
    this.#core = core;
    this.#own = own;
    this.#post = post;
    this.#hearsay = hearsay;
    this.#rotation = new Rotation(core.random);
  }

  /** The first period begins somewhere within one: nodes started together do not probe together. */
  start(): void {
    this.#wait(this.#core.random() * this.#core.preset.probeIntervalMs);
  }

  /** Another node suspects this one: some of all look for themselves. */
  onSuspected(name: string): void {
    const { random, roster } = this.#core;
    if (random() * roster.livingCount() < PROMPT_PROBES) this.#prompt.add(name);
  }

  /**
   * Before a suspect is called dead: it is told once more, and some others are told what we are
   * about to say. Who knows better answers with it.
   */
  lastCall(suspect: Member): void {
    const { roster, random } = this.#core;
    const target = suspect.id;
    const ask = { number: ++this.#number, target, recipient: suspect };
    this.#post.send(suspect.address, 'ping', ask);
    const others = roster.peers().filter(({ state }) => state === 'alive');
    for (const other of pickSome(others, LAST_CALLS, random)) {
      const letter = { number: ++this.#number, target: other.id, about: suspect };
      this.#post.send(other.address, 'ping', letter);
    }
  }

  /** The probe begins anew. */
  onStall(): void {
    const target = this.#probe?.target;
    this.#end();
    if (target !== undefined) this.#prompt.add(target.name);
    this.#wait(0);
  }

  onPing(from: Address, { number, target, sender }: Message): void {
    const { member } = this.#own;
    if (target !== member.id) {
      // It means a process that had this address before: that one is not here.
      this.#post.send(from, 'gossip', { first: [member] });
      return;
    }
    this.#post.send(from, 'ack', { number, recipient: this.#core.roster.byId(sender) });
  }

  onAck({ number }: Message): void {
    const relay = this.#takeRelay(number);
    if (relay !== undefined) this.#post.send(relay.to, 'ack', { number: relay.number });
    const probe = this.#probe;
    if (probe?.number !== number || probe.isAnswered) return;
    probe.isAnswered = true;
    probe.cancelTimeout();
    if (this.#own.isReplaced) this.#answered = probe.target.id;
    if (probe.asked > 0) this.#core.counters.probesIndirect++;
    this.#core.health.add(-1);
  }

  onNack({ number }: Message): void {
    if (this.#probe?.number === number) this.#probe.nacks++;
  }

  onPingRequest(from: Address, { number, target }: Message): void {
    const { roster, timers, preset } = this.#core;
    const member = roster.byId(target);
    if (member === undefined) {
      this.#post.send(from, 'nack', { number });
      return;
    }
    const own = ++this.#number;
    const cancelTimeout = timers.after(preset.probeTimeoutMs * NACK_SHARE, () => {
      // The answer may still come, and is passed on.
      this.#post.send(from, 'nack', { number });
      timers.after(preset.probeIntervalMs, () => this.#relays.delete(own));
    });
    this.#relays.set(own, { to: from, number, cancelTimeout });
    this.#post.send(member.address, 'ping', { number: own, target, recipient: member });
  }

  #takeRelay(number: number): Relay | undefined {
    const relay = this.#relays.get(number);
    relay?.cancelTimeout();
    this.#relays.delete(number);
    return relay;
  }

  #wait(delayMs: number): void {
    this.#cancelTick();
    this.#cancelTick = this.#core.timers.after(delayMs, () => this.#tick());
  }

  #tick(): void {
    this.#conclude();
    const { preset, health } = this.#core;
    this.#wait(preset.probeIntervalMs * health.factor);
    const target = this.#own.isActive ? this.#next() : this.#own.rival;
    if (target !== undefined) this.#begin(target);
  }

  #begin(target: Member): void {
    const { preset, health, timers, counters } = this.#core;
    counters.probes++;
    const number = ++this.#number;
    const timeoutMs = preset.probeTimeoutMs * health.factor;
    const cancelTimeout = timers.after(timeoutMs, () => this.#askOthers());
    const counts = { asked: 0, nacks: 0, isAnswered: false };
    this.#probe = { number, target, ...counts, cancelTimeout };
    // Who has this node's name may not know that this one lives.
    const isToldOf = target !== this.#own.rival || target.id === this.#answered;
    const first = isToldOf ? [] : [this.#own.member];
    this.#post.send(target.address, 'ping', {
      number,
      target: target.id,
      recipient: target,
      first,
    });
  }

  #askOthers(): void {
    const probe = this.#probe!;
    const { roster, preset, random } = this.#core;
    const others = roster.peers().filter(({ name, state }) => {
      return name !== probe.target.name && state === 'alive';
    });
    for (const helper of pickSome(others, preset.indirectProbes, random)) {
      probe.asked++;
      const letter = { number: probe.number, target: probe.target.id };
      this.#post.send(helper.address, 'pingRequest', letter);
    }
  }

  /** The period is over. */
  #conclude(): void {
    const probe = this.#probe;
    this.#end();
    if (probe === undefined || probe.isAnswered) return;
    if (!this.#own.isActive && probe.target.id !== this.#own.rival?.id) return;
    const { roster, counters, health } = this.#core;
    counters.probesFailed++;
    // Helpers that did not even say no: then it is us whom nobody hears, or who hears nobody.
    health.add(probe.asked > 0 ? probe.asked - probe.nacks : 1);
    const known = roster.get(probe.target.name);
    // A later life of it is not the one that did not answer.
    if (known?.id === probe.target.id) this.#hearsay().suspect(known);
  }

  #end(): void {
    this.#probe?.cancelTimeout();
    this.#probe = undefined;
  }

  #next(): Member | undefined {
    const { roster } = this.#core;
    for (const name of this.#prompt) {
      this.#prompt.delete(name);
      const member = roster.get(name);
      if (member?.state === 'suspect') return member;
    }
    return this.#rotation.next(roster.peers(), 1)[0];
  }
}
