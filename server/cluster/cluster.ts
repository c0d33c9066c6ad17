/**
 * One node's part in the cluster: knows the members, computes who has what to do with each slot,
 * ships this node's writes to the other owners, takes theirs, and sees to it that the owners of a
 * slot come to have it. Time, chance, network and data are given (ports.ts, store.ts).
 */
import { SlabringError } from '../../engine/errors.js';
import { SLOTS } from '../../engine/slots.js';
import { ageIfCutOff, ageShared } from './aging.js';
import type { ClusterWorld } from './cluster-world.js';
import { Concerns } from './concerns.js';
import { CopyCheck } from './copy-check.js';
import { Duties } from './duties.js';
import { Fetcher } from './fetcher.js';
import { ForwardReceiver } from './forward-receiver.js';
import { Forwarder } from './forwarder.js';
import { helperOf } from './helper.js';
import { LevelsExchange } from './levels-exchange.js';
import type { MemberInfo } from './members.js';
import { decodeMessage, encodeMessage, Kind, type Message, type Pull } from './messages.js';
import { Outlook } from './outlook.js';
import { areSame, type Peer, Peers } from './peers.js';
import { Pulls } from './pulls.js';
import { PeerReceiver } from './receiver.js';
import { meetFailure, meetOwners } from './reconciliation.js';
import { Repair } from './repair.js';
import { PeerSender } from './sender.js';
import { Shipping } from './shipping.js';
import { Level, type Levels, SlotSet } from './slot-set.js';
import { recentStamp, timeOfStamp } from './stamp.js';
import { Surplus } from './surplus.js';
import { NO_OWNER, type Placement, View } from './view.js';

/** Changes of members and of what they have that come within this time make one new view. */
const REFRESH_MS = 10;
/** A peer that fell behind though it lives has so long to work off what is under way to it. */
const RECOVER_AFTER_MS = 1_000;
/** How far ahead of this machine's clock another one is believed to be right. */
const AHEAD_MAX_MS = 60_000;

const EMPTY_PLACEMENT: Placement = {
  names: [],
  copies: 1,
  owners: new Uint16Array(SLOTS).fill(NO_OWNER),
};

export class Cluster {
  readonly concerns: Concerns;
  readonly forwarder: Forwarder;
  readonly pulls: Pulls;
  readonly repair: Repair;
  readonly check: CopyCheck;
  readonly peers: Peers;
  readonly #world: ClusterWorld;
  readonly #forwarded: ForwardReceiver;
  readonly #levels: LevelsExchange;
  readonly #fetcher: Fetcher;
  readonly #duties: Duties;
  readonly #shipping: Shipping;
  readonly #surplus: Surplus;
  readonly #outlook: Outlook;
  /** By id: slots that peers are pulling, and get copies of, though the view may not say so yet. */
  readonly #pulling = new Map<string, SlotSet>();
  readonly #cancels = new Set<() => void>();
  #members: readonly MemberInfo[] = [];
  #view = new View([], EMPTY_PLACEMENT);
  #lastSession = 0;
  #isRefreshing = false;
  #isStopped = false;
  /** It knows who else is there: before, everything would look as if it had to be served here. */
  #isReady = false;

  constructor(world: ClusterWorld) {
    this.#world = world;
    const { selfId, clock, random, store, options, complain } = world;
    const view = () => this.#view;
    const send = (peer: string, message: Message) => this.#send(peer, message);
    const after = (delayMs: number, run: () => void) => this.#after(delayMs, run);
    this.peers = new Peers({
      ...{ selfId, complain, now: () => clock.now() },
      connect: (id) => ({ sender: this.#senderTo(id), receiver: this.#receiverFrom(id) }),
    });
    this.#levels = new LevelsExchange({
      ...{ selfId, clock, send, setMeta: world.setMeta },
      livePeers: () => this.peers.live,
      replaced: () => this.#outlook.replaced,
      onChange: () => this.#refreshSoon(),
      onDropped: (id, slots) => {
        this.peers.get(id)?.sender.forgetMet(slots);
        this.#pulling.get(id)?.deleteAll(slots);
      },
    });
    const levels = this.#levels.own;
    this.#fetcher = new Fetcher({ selfId, clock, store, send, complain });
    this.pulls = new Pulls({
      ...{ selfId, clock, levels, view, send, bug: options.bug },
      onLevels: () => this.#levels.changed(),
    });
    this.repair = new Repair({
      ...{ selfId, clock, random, store, view, send, intervalMs: options.repairIntervalMs },
      sendSlots: (peer, slots) => this.peers.get(peer)?.sender.send(slots, 0n),
      onError: (error) => complain(`repair: ${String(error)}`),
    });
    this.check = new CopyCheck({
      ...{ selfId, clock, view, send },
      digests: (stamp) => store.digests(stamp),
      keysOf: (slots, stamp) => store.keysOf(slots, stamp),
    });
    this.concerns = new Concerns({
      ...{ selfId, clock, view },
      senderOf: (id) => this.peers.get(id)?.sender,
    });
    this.forwarder = new Forwarder({
      ...{ selfId, clock, send, frames: world.frames },
      helperFor: (frame, silent) => {
        const slot = world.frames.slotOf(frame);
        return helperOf(slot, silent, { random, view: this.#view, live: this.peers.live });
      },
    });
    this.#forwarded = new ForwardReceiver({
      ...{ selfId, clock, send, bug: options.bug, frames: world.frames },
      pass: async (message) => {
        if (this.peers.get(message.target)?.isLive) return this.forwarder.pass(message);
        throw new SlabringError('TRYAGAIN', 'the node that the frame is for has failed');
      },
    });
    this.#duties = new Duties({
      ...{ store, levels, minOwners: options.minOwners },
      linkOf: (id) => this.peers.get(id)?.link,
    });
    this.#shipping = new Shipping({ clock, store, peers: this.peers, concerns: this.concerns });
    this.#surplus = new Surplus({
      ...{ selfId, store, view, after, levels, pulling: this.#pulling },
      isIdle: (id) => this.peers.get(id)?.sender.isIdle ?? false,
      onLevels: () => this.#levels.changed(),
      watch: (work) => this.#watch(work),
    });
    this.#outlook = new Outlook({
      ...{ selfId, clock, levels: this.#levels, peers: this.peers, place: world.place },
      replaceAfterMs: options.replaceAfterMs,
    });
  }

  get view(): View {
    return this.#view;
  }

  /** What this node has. */
  get levels(): Levels {
    return this.#levels.own;
  }

  /** Takes part from now on: the other members are known, or there are none. */
  start(): void {
    this.#isReady = true;
    if (this.#world.options.bug !== 'no-repair') this.repair.start();
    this.#surplus.start();
    this.#refreshSoon();
  }

  stop(): void {
    this.#isStopped = true;
    for (const cancel of this.#cancels) cancel();
    for (const part of [this.peers, this.#levels, this.#fetcher, this.pulls, this.repair]) {
      part.stop();
    }
    for (const part of [this.concerns, this.forwarder, this.check, this.#shipping]) part.stop();
  }

  /** The node hands its slots over, to go then. */
  prepareToLeave(): void {
    this.#levels.leave();
    this.#surplus.stop();
    this.#refreshSoon();
  }

  /** Whether every slot that this node has is with all of its owners. */
  get isHandedOver(): boolean {
    return this.#surplus.isAll;
  }

  /** Members have come, gone, or told something else of themselves. */
  setMembers(members: readonly MemberInfo[]): void {
    const isNew = !areSame(this.#members, members);
    this.#members = members;
    if (isNew) this.#refreshSoon();
    else if (this.#isReady) this.#levels.ask(members);
  }

  /**
   * Others have declared this node dead meanwhile: what it has may be an old state, as writes went
   * on without it. Not so where it was with most of a slot's owners all the time, and it is the
   * accuser who was cut off: that one was dead for this node, too.
   * @param by the accuser's name, if it is known
   */
  wasDead(by: string | undefined): void {
    const { peers } = this;
    const accuser = this.#view.nodes.find(({ name }) => name === by);
    const isMutual = accuser !== undefined && peers.wasDead(accuser.id);
    if (isMutual) this.#ageIfCutOff();
    else ageShared(this.#view, this.#world.selfId, this.levels);
    this.#levels.changed();
    for (const { sender, member, isLive } of peers) {
      if (isMutual && !peers.wasDead(member.id)) continue;
      sender.fallBehind();
      // At once: this node may serve again soon, and who writes then waits for copies.
      if (isLive) this.#recover(member.id);
    }
  }

  /** What was asked of this node before it may have been asked of others since. */
  refuseEarlier(): void {
    this.#forwarded.beginEpoch();
    for (const id of this.peers.live) this.#forwarded.tellEpoch(id);
  }

  #ageIfCutOff(): boolean {
    const wasDead = (id: string) => this.peers.wasDead(id);
    return ageIfCutOff(this.#view, this.#world.selfId, this.levels, wasDead);
  }

  /** A message of a peer, other than gossip. */
  receive(bytes: Uint8Array): void {
    if (this.#isStopped) return;
    const message = decodeMessage(bytes);
    if (typeof message === 'string') {
      this.#world.complain(`a message that is none was dropped: ${message}`);
      return;
    }
    const peer = this.peers.get(message.from);
    // Gossip has not told of it yet. What matters it will send again.
    if (!peer) return;
    try {
      this.#take(peer, message);
    } catch (error) {
      this.#world.complain(`a message of ${peer.member.name} was dropped: ${String(error)}`);
    }
  }

  /** Makes this node's stamps newer than a peer's, unless that one's clock is plainly wrong. */
  raiseClock(stamp: bigint): void {
    const aheadMs = timeOfStamp(stamp) - this.#world.clock.now();
    if (aheadMs <= AHEAD_MAX_MS) this.#world.store.raiseClock(stamp);
    else this.#world.complain(`a peer's clock is ${Math.round(aheadMs / 1000)} s ahead`);
  }

  #take(peer: Peer, message: Message): void {
    peer.sender.heard();
    switch (message.kind) {
      case Kind.BATCH:
        peer.receiver.take(message);
        break;
      case Kind.ACK:
        peer.sender.acknowledge(message);
        break;
      case Kind.PULL:
        this.#answerPull(peer, message);
        break;
      case Kind.FETCH:
        this.#fetcher.answer(message);
        break;
      case Kind.FETCHED:
        this.#fetcher.take(message);
        break;
      case Kind.LEVELS:
        this.#levels.take(message);
        break;
      case Kind.LEVELS_WANTED:
        this.#levels.answer(message.from);
        break;
      case Kind.DIGESTS:
        this.#watch(this.repair.answer(message));
        break;
      case Kind.DIFFERING:
        this.repair.take(message);
        break;
      case Kind.FORWARD:
        this.#watch(this.#forwarded.answer(message));
        break;
      case Kind.FORWARDED:
        this.forwarder.take(message);
        break;
      case Kind.CHECK:
        this.#watch(this.check.answer(message));
        break;
      case Kind.CHECKED:
        this.check.take(message);
        break;
    }
  }

  #answerPull({ member: { id }, sender }: Peer, { pull, mode, level, slots }: Pull): void {
    const wanted = new SlotSet(new Uint8Array(slots));
    if (sender.hasPull(pull)) return;
    // The peer counts on more than there is. It hears of that, and asks somebody else.
    const lacking = wanted.copy();
    lacking.deleteAll(this.levels.atLeast(level));
    if (!lacking.isEmpty) return;
    const pulling = this.#pulling.get(id) ?? new SlotSet();
    pulling.addAll(wanted);
    this.#pulling.set(id, pulling);
    // Writes from now on go there too; what came before, the scan finds.
    this.#applyDuties();
    sender.answerPull(pull, wanted, mode);
  }

  #senderTo(id: string): PeerSender {
    const { selfId, clock, store, options } = this.#world;
    return new PeerSender({
      ...{ clock, store, selfId, limits: options.limits, bug: options.bug },
      send: (bytes, frontBytes) => {
        const peer = this.peers.get(id);
        if (peer) this.#world.send(peer.member, bytes, frontBytes);
      },
      newSession: () => ++this.#lastSession,
      onProgress: () => this.#onProgress(id),
    });
  }

  #receiverFrom(id: string): PeerReceiver {
    return new PeerReceiver({
      selfId: this.#world.selfId,
      bug: this.#world.options.bug,
      apply: (records, stamp) => {
        this.raiseClock(stamp);
        return this.#world.store.apply(records);
      },
      fetch: (record) => this.#fetcher.fetch(id, record),
      answer: (ack) => this.#send(id, ack),
      onPulled: (pulls) => this.pulls.finish(pulls),
    });
  }

  #send(id: string, message: Message): void {
    const peer = this.peers.get(id);
    if (peer) this.#world.send(peer.member, encodeMessage(message));
  }

  #watch(work: Promise<void>): void {
    work.catch((error: unknown) => this.#world.complain(String(error)));
  }

  #after(delayMs: number, run: () => void): void {
    const cancel = this.#world.clock.after(delayMs, () => {
      this.#cancels.delete(cancel);
      run();
    });
    this.#cancels.add(cancel);
  }

  #onProgress(id: string): void {
    this.concerns.check();
    this.#shipping.goOn();
    const isBehind = () => {
      const peer = this.peers.get(id);
      return peer?.isLive === true && !peer.sender.isStreaming;
    };
    if (!isBehind()) return;
    this.#after(RECOVER_AFTER_MS, () => {
      if (isBehind()) this.#recover(id);
    });
  }

  #recover(id: string): void {
    const slots = this.#view.slotsOf(this.#view.indexOf(id)).copy();
    const pulling = this.#pulling.get(id);
    if (pulling) slots.addAll(pulling);
    this.peers.get(id)?.sender.recover(slots);
    this.#meetOwners();
  }

  #meetOwners(): void {
    const self = this.#view.indexOf(this.#world.selfId);
    if (this.#world.options.bug === 'no-owner-meeting') return;
    meetOwners(this.#view, self, this.peers, this.#pulling);
  }

  #refreshSoon(): void {
    if (this.#isRefreshing || this.#isStopped || !this.#isReady) return;
    this.#isRefreshing = true;
    this.#after(REFRESH_MS, () => {
      this.#isRefreshing = false;
      this.#refresh();
    });
  }

  #refresh(): void {
    const { onView, options } = this.#world;
    const { met, returned, died, foundDead, gone } = this.peers.update(this.#members);
    for (const id of met) this.#forwarded.tellEpoch(id);
    if (returned.length > 0 && this.#ageIfCutOff()) this.#levels.changed();
    const before = this.#view;
    const replaced = this.#outlook.replaced.join();
    this.#view = this.#outlook.next(this.#members, before);
    const view = this.#view;
    this.#surplus.keepOwned();
    for (const id of [...died, ...gone]) this.#lose(id);
    for (const id of gone) {
      this.#levels.forget(id);
      this.#forwarded.forget(id);
    }
    if (died.length + foundDead.length > 0) {
      this.#after(options.replaceAfterMs + 1, () => this.#refreshSoon());
    }
    for (const id of died) this.#meetFailure(before, id);
    for (const id of returned) this.#recover(id);
    this.#meetOwners();
    this.#demote();
    // Those who join are to see the same.
    if (this.#outlook.replaced.join() !== replaced) this.#levels.changed();
    this.#applyDuties();
    this.#levels.ask(this.#members);
    this.pulls.plan();
    onView(view);
  }

  #meetFailure(view: View, id: string): void {
    const { selfId, clock, options } = this.#world;
    if (options.bug === 'no-failure-meeting') return;
    const wanted = meetFailure(view, view.indexOf(selfId), view.indexOf(id));
    for (const [peer, slots] of wanted) {
      this.peers.get(peer)?.sender.send(slots, recentStamp(clock.now()));
    }
  }

  /** Of slots that others own and serve, this node does not get the writes any more. */
  #demote(): void {
    const view = this.#view;
    const self = view.indexOf(this.#world.selfId);
    const lent = this.levels.full.copy();
    lent.deleteAll(view.slotsOf(self));
    for (const slot of lent) if (view.primaryOf(slot) === self) lent.delete(slot);
    for (const slot of lent) this.levels.set(slot, Level.STALE);
    if (!lent.isEmpty) this.#levels.changed();
  }

  /** A peer is dead: nothing comes from it, and what is sent to it would be lost. */
  #lose(id: string): void {
    const peer = this.peers.get(id);
    peer?.sender.fallBehind();
    if (peer && this.#world.options.bug !== 'no-reset') this.#world.reset(peer.member);
    this.#fetcher.forget(id);
    // Behind the reset: what was asked of it, others are asked now.
    this.forwarder.forget(id);
    this.#pulling.delete(id);
  }

  #applyDuties(): void {
    this.#duties.apply(this.#view, this.#view.indexOf(this.#world.selfId), this.#pulling);
  }
}
