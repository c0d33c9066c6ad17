/**
 * Who is in the cluster, and lives: gossip after SWIM, with Lifeguard's local health.
 *
 * - Das, Gupta, Motivala: "SWIM: Scalable Weakly-consistent Infection-style Process Group
 *   Membership Protocol", 2002.
 * - Dadgar, Phillips, Currey: "Lifeguard: Local Health Awareness for More Accurate Failure
 *   Detection", 2017.
 *
 * A state machine: it gets time, chance and messages from outside, and does nothing by itself but
 * what its timers tell it to.
 */
import { SlabringError } from '../../../engine/errors.js';
import type { Address, Clock, Random } from '../ports.js';
import { Broadcasts } from './broadcasts.js';
import type { Bug, Core } from './core.js';
import { count, type MembershipCounters, zeroCounters } from './counters.js';
import type { MembershipEvent } from './events.js';
import { Health } from './health.js';
import { Hearsay } from './hearsay.js';
import type { Identity, Member } from './member.js';
import { type Found, NamesakeSearch } from './namesake.js';
import { Own } from './own.js';
import { Post } from './post.js';
import { LAN, type Preset, retransmitsOf } from './presets.js';
import { Prober } from './prober.js';
import { Roster } from './roster.js';
import { Rotation } from './rotation.js';
import { Syncer } from './syncer.js';
import { Timers } from './timers.js';
import { checkIdentity, META_BYTES_MAX, type Message, unpackMessage } from './wire.js';

export interface MembershipOptions {
  readonly self: Identity;
  /** At first. Default: empty. */
  readonly meta?: Uint8Array | undefined;
  readonly clock: Clock;
  readonly random: Random;
  /** As `Transport.send`. */
  readonly send: (to: Address, bytes: Uint8Array) => void;
  /** Default `LAN`. */
  readonly preset?: Preset | undefined;
  /** The hybrid clock's time for a message that goes out, and one that came in. Must not throw. */
  readonly stampOut: () => bigint;
  readonly stampIn: (stamp: bigint) => void;
  /** Told what happens, at once: it must not call back into the membership. */
  readonly onEvent: (event: MembershipEvent) => void;
  /** For tests of tests. */
  readonly bug?: Bug | undefined;
}

/** As many as one gets in a short while, which says that a stall was short, or that it was long. */
const STALL_HEALTH = 1;
/** Shorter stalls come when a busy machine starts something; nobody has to do anything about them. */
const STALL_TOLD_MS = 1000;

export class Membership {
  readonly #core: Core;
  readonly #own: Own;
  readonly #post: Post;
  readonly #hearsay: Hearsay;
  readonly #prober: Prober;
  readonly #syncer: Syncer;
  readonly #namesakes: NamesakeSearch;
  /** Whom to tell news. */
  readonly #rotation: Rotation;
  readonly #stampIn: (stamp: bigint) => void;
  /** Ids of processes whose name another has, and that were told of. */
  readonly #conflicts = new Set<string>();
  #leaving: Promise<void> | undefined;
  #isStopped = false;

  /** Begins at once, alone; `join` tells it of others. */
  constructor(options: MembershipOptions) {
    const { self, meta = new Uint8Array(0), preset = LAN, clock, random, bug } = options;
    checkIdentity(self, meta);
    const roster = new Roster(self.name);
    const limits = { pulseMs: preset.gossipIntervalMs, stallMs: preset.stallMs };
    const timers = new Timers(clock, limits, (gapMs) => this.#onStall(gapMs));
    const broadcasts = new Broadcasts(() => retransmitsOf(preset, roster.livingCount()));
    this.#core = {
      ...{ preset, random, timers, roster, broadcasts, bug },
      ...{ health: new Health(preset.healthScoreMax), counters: zeroCounters() },
      emit: options.onEvent,
    };
    const { send, stampOut } = options;
    this.#stampIn = options.stampIn;
    this.#own = new Own(this.#core, self, meta);
    this.#post = new Post(this.#core, { id: self.id, name: self.name, send, stampOut });
    this.#prober = new Prober(this.#core, this.#own, this.#post, () => this.#hearsay);
    this.#hearsay = new Hearsay(this.#core, this.#own, {
      onSuspected: (name) => this.#prober.onSuspected(name),
      onLastCall: (suspect) => this.#prober.lastCall(suspect),
    });
    this.#rotation = new Rotation(random);
    this.#syncer = new Syncer(this.#core, this.#own, this.#post, this.#hearsay);
    this.#namesakes = new NamesakeSearch(this.#core, this.#own, this.#post);
    this.#own.announce();
    this.#waitForGossip();
    this.#prober.start();
    this.#syncer.start();
  }

  /** All that are known, by name, with their states; this node among them. */
  get members(): ReadonlyMap<string, Member> {
    return this.#core.roster.members;
  }

  /** Counts changes of `members`. */
  get version(): number {
    return this.#core.roster.version;
  }

  /** This node, as it says of itself. */
  get self(): Member {
    return this.#own.member;
  }

  /**
   * The machine at an address says that no process listens there, as after a crash, and not when
   * one is slow or cut off: its members are suspects that have the time of a last call to deny it.
   */
  findDeserted(address: Address): void {
    if (this.#isStopped) return;
    this.#namesakes.findDeserted(address);
    for (const member of [...this.#core.roster.peers(), this.#own.rival]) {
      if (member?.address === address) this.#hearsay.findDeserted(member);
    }
  }

  /** No other living member is known. */
  get isAlone(): boolean {
    return this.#core.roster.peers().length === 0;
  }

  /** Another, later process has the name of this one: it is no member. */
  get isReplaced(): boolean {
    return this.#own.isReplaced;
  }

  get counters(): Readonly<MembershipCounters> {
    return this.#core.counters;
  }

  /** Tells of a stall of this process that no timer has seen yet. To be called with what has come. */
  lookForStall(): void {
    if (!this.#isStopped) this.#core.timers.check();
  }

  /** How unwell this node is: 0 is well, `preset.healthScoreMax` the worst. */
  get healthScore(): number {
    return this.#core.health.score;
  }

  /**
   * Asks these addresses for all they know, and keeps them as seeds: while nobody is known at one
   * of them, it is tried again now and then.
   * @returns whether one answered within `preset.joinTimeoutMs`; false also if all of them are this
   * node's own address
   */
  join(addresses: Iterable<Address>): Promise<boolean> {
    return this.#isStopped ? Promise.resolve(false) : this.#syncer.join(addresses);
  }

  /**
   * Asks these addresses whether another process has the name of this one, and that one whether it
   * lives; tells nobody of this one. To be called before `join`.
   */
  findNamesake(addresses: Iterable<Address>): Promise<Found> {
    return this.#isStopped
      ? Promise.resolve({ isAnswered: false })
      : this.#namesakes.find(addresses);
  }

  /**
   * Changes what this node says of itself; it reaches the others with the next messages.
   * @throws SlabringError where it has more than 256 bytes
   */
  setMeta(meta: Uint8Array): void {
    if (meta.length > META_BYTES_MAX) {
      throw new SlabringError(
        'OPTION',
        `meta has ${meta.length} bytes; it may have up to ${META_BYTES_MAX}`,
      );
    }
    if (this.#own.member.state === 'alive' && !this.#isStopped) this.#own.setMeta(meta);
  }

  /**
   * Says that this node goes. It still answers, until `stop`.
   * @returns when as many were told as usually suffices, or after `preset.leaveTimeoutMs`
   */
  leave(): Promise<void> {
    this.#leaving ??= new Promise((resolve) => {
      if (this.#isStopped || this.#own.isReplaced || this.isAlone) {
        if (!this.#own.isReplaced && !this.#isStopped) this.#own.leave(resolve);
        resolve();
        return;
      }
      this.#core.timers.after(this.#core.preset.leaveTimeoutMs, resolve);
      this.#own.leave(resolve);
      this.#gossip();
    });
    return this.#leaving;
  }

  /** Ends it: no timers, no messages, no events. */
  stop(): void {
    this.#isStopped = true;
    this.#syncer.stop();
    this.#namesakes.stop();
    this.#core.timers.stop();
    this.#core.broadcasts.clear();
  }

  /** A message of membership that came from a peer. Whatever it is, this does not throw. */
  receive(from: Address, bytes: Uint8Array): void {
    if (this.#isStopped) return;
    const { counters, emit, timers } = this.#core;
    timers.check();
    const message = unpackMessage(bytes);
    if (typeof message === 'string') {
      counters.malformed++;
      emit({ type: 'warning', text: `a message makes no sense: ${message}`, from });
      return;
    }
    count(counters.received[message.kind], bytes);
    this.#stampIn(message.stamp);
    this.#lookAtSender(from, message);
    this.#handle(from, message);
  }

  #handle(from: Address, message: Message): void {
    if (message.kind === 'syncRequest') {
      this.#syncer.onRequest(from, message);
      return;
    }
    // By another of its addresses it spoke to itself.
    if (message.sender === this.#own.member.id) return;
    if (message.kind === 'syncReply') {
      if (!this.#namesakes.onReply(from, message)) this.#syncer.onReply(message);
      return;
    }
    const by = this.#core.roster.byId(message.sender)?.name;
    for (const news of message.news) {
      this.#hearsay.hear(news, { by, isSync: false, isQuiet: false });
    }
    if (message.kind === 'ping') this.#prober.onPing(from, message);
    else if (message.kind === 'ack') this.#prober.onAck(message);
    else if (message.kind === 'nack') this.#prober.onNack(message);
    else if (message.kind === 'pingRequest') this.#prober.onPingRequest(from, message);
  }

  /** A process that still talks long after another took its name is a second one, alive. */
  #lookAtSender(from: Address, { sender, kind }: Message): void {
    const { roster, timers, preset, emit } = this.#core;
    const replaced = roster.replaced(sender);
    if (replaced === undefined) {
      // Who probes us knows us, and the news of it missed us.
      if (kind === 'ping' && roster.byId(sender) === undefined) this.#syncer.meet(from);
      return;
    }
    const member = roster.get(replaced.name);
    if (member === undefined || member.id === sender) return;
    // It learns of it, and then keeps still.
    this.#post.send(from, 'gossip', { first: [member] });
    const passedMs = timers.nowMs() - replaced.atMs;
    if (passedMs < preset.suspicionMinMs || this.#conflicts.has(sender)) return;
    this.#conflicts.add(sender);
    const text =
      `two processes have the name ${member.name}: at ${member.address}, which started later ` +
      `and counts, and at ${from}`;
    emit({ type: 'conflict', member, isSelf: false, text });
  }

  #waitForGossip(): void {
    this.#core.timers.after(this.#core.preset.gossipIntervalMs, () => {
      this.#core.timers.pulse();
      this.#waitForGossip();
      this.#gossip();
    });
  }

  /** Tells some others the news, also such as died not long ago: they may live, and deny it. */
  #gossip(): void {
    const { broadcasts, roster, timers, preset } = this.#core;
    if (broadcasts.size === 0) return;
    const dead = roster.dead(timers.nowMs(), preset.deadGossipMs);
    for (const member of this.#rotation.next([...roster.peers(), ...dead], preset.gossipFanout)) {
      if (broadcasts.size === 0) return;
      this.#post.send(member.address, 'gossip', { recipient: member });
    }
  }

  #onStall(gapMs: number): void {
    const { counters, health, emit } = this.#core;
    counters.stalls++;
    health.add(STALL_HEALTH);
    this.#prober.onStall();
    this.#hearsay.onStall();
    emit({ type: 'stalled', gapMs });
    if (gapMs < STALL_TOLD_MS) return;
    emit({ type: 'warning', text: `this process stalled for ${Math.round(gapMs)} ms` });
  }
}
