/**
 * One node's part in the cluster: knows the members, computes who has what to do with each slot,
 * ships this node's writes to the other owners, takes theirs, and sees to it that the owners of a
 * slot come to have it. Time, chance, network and data are given (ports.ts, store.ts).
 */
import { SLOTS } from '../../engine/slots.js';
import { Concerns } from './concerns.js';
import { Fetcher } from './fetcher.js';
import { Forwarder } from './forwarder.js';
import { LevelsExchange } from './levels-exchange.js';
import { decodeMeta, type MemberInfo } from './members.js';
import { decodeMessage, encodeMessage, Kind, type Message } from './messages.js';
import type { Clock, Random } from './ports.js';
import { Pulls } from './pulls.js';
import { PeerReceiver } from './receiver.js';
import { Repair } from './repair.js';
import { DEFAULT_SENDER_LIMITS, PeerSender, type SenderLimits, STAMP_MS_SHIFT } from './sender.js';
import { Level, type Levels, SlotSet } from './slot-set.js';
import { LINKS_MAX, type ReplicaStore, Service } from './store.js';
import { type Placement, View, type ViewNode } from './view.js';

export interface ClusterOptions {
  /** Live owners without which a slot's writes are refused. */
  readonly minOwners: number;
  /** How long a dead node keeps its place. */
  readonly replaceAfterMs: number;
  /** How often slots are compared with a peer's. */
  readonly repairIntervalMs: number;
  readonly limits: SenderLimits;
}

export const DEFAULT_CLUSTER_OPTIONS: ClusterOptions = {
  minOwners: 1,
  replaceAfterMs: 30_000,
  repairIntervalMs: 60_000,
  limits: DEFAULT_SENDER_LIMITS,
};

/** What goes wrong without anybody having asked for it. */
export type Complaint = (text: string) => void;

export interface ClusterWorld {
  readonly selfId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly store: ReplicaStore;
  readonly options: ClusterOptions;
  /** Places the slots on nodes. */
  place(nodes: readonly MemberInfo[]): Placement;
  /** Sends to a peer, as far as it is known. */
  send(member: MemberInfo, bytes: Uint8Array): void;
  /** What this node gossips about itself. */
  setMeta(meta: Uint8Array): void;
  /** The view has changed. */
  onView(view: View): void;
  complain: Complaint;
}

/** A peer's side of all that goes on with it. */
interface Peer {
  member: MemberInfo;
  readonly link: number;
  readonly sender: PeerSender;
  readonly receiver: PeerReceiver;
  isLive: boolean;
  /** Unix time since when it is dead. */
  deadSinceMs: number | undefined;
}

/** Changes of members and of what they have that come within this time make one new view. */
const REFRESH_MS = 5;
/** Parts of the change log shipped in one turn of the event loop. */
const SHIPMENTS_PER_TURN = 64;
/** What a node that died may have sent to one owner and not to another, as ms before its death. */
const FAILURE_MARGIN_MS = 60_000;
/** How far ahead of this machine's clock another one is believed to be right. */
const AHEAD_MAX_MS = 60_000;
const RECOVER_AGAIN_MS = 1_000;
const HOUSEKEEPING_MS = 5_000;

export class Cluster {
  readonly concerns: Concerns;
  readonly forwarder: Forwarder;
  readonly pulls: Pulls;
  readonly repair: Repair;
  readonly #world: ClusterWorld;
  readonly #levels: LevelsExchange;
  readonly #fetcher: Fetcher;
  readonly #peers = new Map<string, Peer>();
  #members: readonly MemberInfo[] = [];
  #view = new View([], { names: [], copies: 1, owners: new Uint16Array(SLOTS).fill(0xffff) });
  #lastSession = 0;
  /** What the store was told of each slot last: service, and links as two words of bits. */
  readonly #services = new Uint8Array(SLOTS);
  readonly #links = new Int32Array(2 * SLOTS);
  /** Slots that peers are pulling, which get copies though this node's view may not say so yet. */
  readonly #pulling = new Map<string, SlotSet>();
  #cancels = new Set<() => void>();
  #isRefreshing = false;
  #isPumping = false;
  #isStopped = false;

  constructor(world: ClusterWorld) {
    this.#world = world;
    const { selfId, clock, random, store, options, complain } = world;
    const view = () => this.#view;
    const send = (peer: string, message: Message) => this.#send(peer, message);
    this.#levels = new LevelsExchange({
      selfId,
      clock,
      send,
      setMeta: world.setMeta,
      livePeers: () => [...this.#peers.values()].filter((p) => p.isLive).map((p) => p.member.id),
      onChange: () => this.#refreshSoon(),
    });
    this.#fetcher = new Fetcher({ selfId, clock, store, send });
    this.pulls = new Pulls({
      selfId,
      clock,
      levels: this.#levels.own,
      view,
      send,
      onLevels: () => this.#levels.changed(),
    });
    this.repair = new Repair({
      ...{ selfId, clock, random, store, view, send, intervalMs: options.repairIntervalMs },
      sendSlots: (peer, slots) =>
        this.#peers.get(peer)?.sender.scan({ slots, newerThan: 0n, pull: 0, isRecovery: false }),
      onError: (error) => complain(`repair: ${String(error)}`),
    });
    this.concerns = new Concerns({
      ...{ selfId, clock, view },
      senderOf: (id) => this.#peers.get(id)?.sender,
    });
    this.forwarder = new Forwarder({
      ...{ selfId, clock, send },
      execute: (frame) => store.execute(frame),
    });
    store.onGrowth = () => this.#pumpSoon();
  }

  get view(): View {
    return this.#view;
  }

  get levels(): Levels {
    return this.#levels.own;
  }

  start(): void {
    this.repair.start();
    this.#housekeepLater();
  }

  stop(): void {
    this.#isStopped = true;
    for (const cancel of this.#cancels) cancel();
    for (const { sender } of this.#peers.values()) sender.stop();
    for (const part of [this.#levels, this.#fetcher, this.pulls, this.repair]) part.stop();
    this.concerns.stop();
    this.forwarder.stop();
    this.#world.store.onGrowth = () => {};
  }

  /** The node hands its slots over, to go then. */
  prepareToLeave(): void {
    this.#levels.leave();
    this.#refreshSoon();
  }

  /** Whether every slot of this node is with all of its owners. */
  get isHandedOver(): boolean {
    return this.#surplus().size === this.#held();
  }

  /** Members have come, gone, or told something else of themselves. */
  setMembers(members: readonly MemberInfo[]): void {
    const isSame = members.length === this.#members.length && members.every(isAmong(this.#members));
    this.#members = members;
    if (!isSame) this.#refreshSoon();
  }

  /** The others have declared this node dead meanwhile: what it has may be an old state. */
  wasDead(): void {
    const self = this.#view.indexOf(this.#world.selfId);
    const { own } = this.#levels;
    for (let slot = 0; slot < SLOTS; slot++) {
      if (own.of(slot) !== Level.FULL) continue;
      const owners = this.#view.ownersOf(slot);
      if (owners.length > 1 && owners.includes(self)) own.set(slot, Level.STALE);
    }
    this.#levels.changed();
    for (const peer of this.#peers.values()) peer.sender.fallBehind();
  }

  /** A message of a peer, other than gossip. */
  receive(bytes: Uint8Array): void {
    if (this.#isStopped) return;
    const message = decodeMessage(bytes);
    if (typeof message === 'string') {
      this.#world.complain(`a message that is none was dropped: ${message}`);
      return;
    }
    const peer = this.#peers.get(message.from);
    // Gossip has not told of it yet; it will say so again.
    if (peer) this.#take(peer, message);
  }

  #take(peer: Peer, message: Message): void {
    const { sender, receiver } = peer;
    switch (message.kind) {
      case Kind.BATCH:
        receiver.take(message);
        break;
      case Kind.ACK:
        sender.acknowledge(message.session, message.applied, message.complete, message.refused);
        break;
      case Kind.PULL:
        this.#answerPull(peer, message.pull, new SlotSet(message.slots), message.isCatchUp);
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
        this.#watch(this.forwarder.answer(message));
        break;
      case Kind.FORWARDED:
        this.forwarder.take(message);
        break;
    }
  }

  #watch(work: Promise<void>): void {
    work.catch((error: unknown) => this.#world.complain(String(error)));
  }

  #answerPull(peer: Peer, pull: number, slots: SlotSet, isCatchUp: boolean): void {
    // Writes from now on go there too; what came before, the scan finds.
    this.#pulling.set(peer.member.id, slots);
    this.#applyView();
    peer.sender.answerPull(pull, slots, isCatchUp);
  }

  #send(id: string, message: Message): void {
    const peer = this.#peers.get(id);
    if (peer) this.#world.send(peer.member, encodeMessage(message));
  }

  #after(delayMs: number, run: () => void): void {
    const cancel = this.#world.clock.after(delayMs, () => {
      this.#cancels.delete(cancel);
      run();
    });
    this.#cancels.add(cancel);
  }

  // -- Members and the view.

  #refreshSoon(): void {
    if (this.#isRefreshing || this.#isStopped) return;
    this.#isRefreshing = true;
    this.#after(REFRESH_MS, () => {
      this.#isRefreshing = false;
      this.#refresh();
    });
  }

  #refresh(): void {
    const died = this.#updatePeers();
    const before = this.#view;
    this.#view = this.#computeView();
    for (const id of died) this.#meetFailure(before, id);
    this.#applyView();
    this.#levels.ask(this.#members);
    this.pulls.plan();
    this.#world.onView(this.#view);
  }

  /** Brings the peers up to date with the members; those that have died. */
  #updatePeers(): string[] {
    const { selfId, clock } = this.#world;
    const died: string[] = [];
    for (const member of this.#members) {
      if (member.id === selfId) continue;
      const isLive = member.state === 'alive' || member.state === 'suspect';
      const known = this.#peers.get(member.id);
      const peer = known ?? (isLive ? this.#meet(member) : undefined);
      if (!peer) continue;
      peer.member = member;
      if (known && isLive !== known.isLive) {
        if (isLive) this.#recover(peer);
        else died.push(member.id);
      }
      peer.isLive = isLive;
      if (isLive) peer.deadSinceMs = undefined;
      else peer.deadSinceMs ??= clock.now();
    }
    const ids = new Set(this.#members.map(({ id }) => id));
    for (const [id, peer] of this.#peers) {
      if (!ids.has(id)) this.#forget(id, peer);
    }
    for (const id of died) this.#lose(id);
    return died;
  }

  #meet(member: MemberInfo): Peer {
    const link = this.#freeLink();
    const { selfId, clock, store, options } = this.#world;
    const sender = new PeerSender({
      ...{ clock, store, selfId, limits: options.limits },
      send: (bytes) => this.#world.send(this.#peers.get(member.id)!.member, bytes),
      newSession: () => ++this.#lastSession,
      onProgress: () => this.#progressed(member.id),
    });
    const receiver = new PeerReceiver({
      selfId,
      apply: (records, stamp) => {
        this.#raiseClock(stamp);
        return store.apply(records);
      },
      fetch: (record) => this.#fetcher.fetch(member.id, record),
      answer: (ack) => this.#send(member.id, ack),
      onPulled: (pulls) => this.pulls.finish(pulls),
    });
    const peer = { member, link, sender, receiver, isLive: true, deadSinceMs: undefined };
    this.#peers.set(member.id, peer);
    sender.start();
    return peer;
  }

  #freeLink(): number {
    const used = new Set([...this.#peers.values()].map(({ link }) => link));
    for (let link = 0; link < LINKS_MAX; link++) if (!used.has(link)) return link;
    this.#world.complain(`a node replicates with at most ${LINKS_MAX} others`);
    return -1;
  }

  #lose(id: string): void {
    const peer = this.#peers.get(id)!;
    peer.sender.fallBehind();
    this.#fetcher.forget(id);
    this.forwarder.forget(id);
    this.#pulling.delete(id);
    const { replaceAfterMs } = this.#world.options;
    this.#after(replaceAfterMs + 1, () => this.#refreshSoon());
  }

  #forget(id: string, peer: Peer): void {
    peer.sender.stop();
    this.#fetcher.forget(id);
    this.forwarder.forget(id);
    this.#pulling.delete(id);
    this.#levels.forget(id);
    this.#peers.delete(id);
  }

  #computeView(): View {
    const { selfId, place } = this.#world;
    const present = newestOfEachName(this.#members).filter((member) => {
      if (member.state === 'left') return false;
      return member.state !== 'dead' || !this.#isReplaced(member.id);
    });
    const nodes = present.map((member): ViewNode => {
      const { id, name, address, clientUrl } = member;
      const isSelf = id === selfId;
      return {
        ...{ id, name, address, clientUrl },
        isLive: isSelf || member.state === 'alive' || member.state === 'suspect',
        isPlaced: isSelf ? !this.#levels.isLeaving : !decodeMeta(member.meta).isLeaving,
        levels: this.#levels.of(id),
      };
    });
    const placed = present.filter((_, index) => nodes[index]!.isPlaced);
    return new View(nodes, place(placed));
  }

  #isReplaced(id: string): boolean {
    const since = this.#peers.get(id)?.deadSinceMs;
    // Of one that was dead before it was ever met nothing is expected.
    if (since === undefined) return true;
    return this.#world.clock.now() - since > this.#world.options.replaceAfterMs;
  }

  /** Tells the store what is done with each slot. */
  #applyView(): void {
    const view = this.#view;
    const self = view.indexOf(this.#world.selfId);
    // By node: its link as a bit of two words.
    const bits = view.nodes.map(({ id }) => linkBits(this.#peers.get(id)?.link));
    const pulling = [...this.#pulling].map(
      ([id, slots]) => [linkBits(this.#peers.get(id)?.link), slots] as const,
    );
    for (let slot = 0; slot < SLOTS; slot++) {
      let low = 0;
      let high = 0;
      for (let i = 0; i < view.copies; i++) {
        const owner = view.ownerAt(slot, i);
        if (owner < 0) continue;
        low |= bits[owner]![0];
        high |= bits[owner]![1];
      }
      for (const [link, slots] of pulling) {
        if (!slots.has(slot)) continue;
        low |= link[0];
        high |= link[1];
      }
      const service = self < 0 ? Service.NONE : this.#serviceOf(slot, self);
      if (this.#services[slot] === service) {
        if (this.#links[2 * slot] === low && this.#links[2 * slot + 1] === high) continue;
      }
      this.#services[slot] = service;
      this.#links[2 * slot] = low;
      this.#links[2 * slot + 1] = high;
      this.#world.store.setSlot(slot, service, low, high);
    }
  }

  #serviceOf(slot: number, self: number): number {
    const view = this.#view;
    let live = 0;
    let isOwner = false;
    for (let i = 0; i < view.copies; i++) {
      const owner = view.ownerAt(slot, i);
      if (owner >= 0 && view.nodes[owner]!.isLive) live++;
      isOwner ||= owner === self;
    }
    const isHolder = this.#levels.own.of(slot) !== Level.NONE;
    const isEnough = live >= this.#world.options.minOwners;
    let service: number = Service.NONE;
    if (view.primaryOf(slot) === self && isEnough) service |= Service.SERVES;
    if (isHolder) service |= Service.REPLICA;
    if ((isHolder || isOwner) && isEnough) service |= Service.ACCEPTS;
    return service;
  }

  // -- Failures.

  /** An owner has died: what it sent to some of the others only, they send each other. */
  #meetFailure(before: View, id: string): void {
    const failed = before.indexOf(id);
    const self = before.indexOf(this.#world.selfId);
    if (failed < 0 || self < 0) return;
    const byPeer = new Map<string, SlotSet>();
    for (let slot = 0; slot < SLOTS; slot++) {
      if (!before.isOwner(slot, failed) || !before.isOwner(slot, self)) continue;
      for (const owner of before.ownersOf(slot)) {
        if (owner === failed || owner === self) continue;
        const slots = byPeer.get(before.nodes[owner]!.id) ?? new SlotSet();
        slots.add(slot);
        byPeer.set(before.nodes[owner]!.id, slots);
      }
    }
    const now = Math.floor(this.#world.clock.now());
    const newerThan = BigInt(Math.max(0, now - FAILURE_MARGIN_MS)) << STAMP_MS_SHIFT;
    for (const [peer, slots] of byPeer) {
      this.#peers.get(peer)?.sender.scan({ slots, newerThan, pull: 0, isRecovery: false });
    }
  }

  #recover(peer: Peer): void {
    const { id } = peer.member;
    const slots = new SlotSet();
    for (let slot = 0; slot < SLOTS; slot++) {
      if (this.#view.isOwner(slot, this.#view.indexOf(id))) slots.add(slot);
    }
    for (const slot of this.#pulling.get(id) ?? []) slots.add(slot);
    peer.sender.recover(slots);
  }

  #progressed(id: string): void {
    this.concerns.check();
    const peer = this.#peers.get(id);
    if (!peer?.isLive || peer.sender.isStreaming) return;
    this.#after(RECOVER_AGAIN_MS, () => {
      const again = this.#peers.get(id);
      if (again?.isLive && !again.sender.isStreaming) this.#recover(again);
    });
  }

  /** Makes this node's stamps newer than a peer's, unless that one's clock is plainly wrong. */
  #raiseClock(stamp: bigint): void {
    const aheadMs = Number(stamp >> STAMP_MS_SHIFT) - this.#world.clock.now();
    if (aheadMs > AHEAD_MAX_MS) {
      this.#world.complain(`a peer's clock is ${Math.round(aheadMs / 1000)} s ahead`);
      return;
    }
    this.#world.store.raiseClock(stamp);
  }

  // -- Shipping.

  #pumpSoon(): void {
    if (this.#isPumping || this.#isStopped) return;
    this.#isPumping = true;
    this.#after(0, () => {
      this.#isPumping = false;
      this.#pump();
    });
  }

  #pump(): void {
    const { store } = this.#world;
    const byLink: (PeerSender | undefined)[] = [];
    for (const { link, sender } of this.#peers.values()) if (link >= 0) byLink[link] = sender;
    const shipped: { stream: number; to: number }[] = [];
    let isMore = true;
    for (let i = 0; i < SHIPMENTS_PER_TURN && isMore; i++) {
      const shipment = store.ship();
      isMore = shipment !== undefined;
      if (!shipment) break;
      const { stream, to, lanes, isLost } = shipment;
      if (isLost) for (const { sender } of this.#peers.values()) sender.fallBehind();
      for (const [link, records] of lanes.entries()) if (records) byLink[link]?.add(records);
      shipped.push({ stream, to });
    }
    for (const sender of byLink) sender?.flush();
    for (const { stream, to } of shipped) this.concerns.noteShipped(stream, to);
    if (shipped.length > 0) this.concerns.check();
    if (isMore) this.#pumpSoon();
  }

  // -- Slots that others have by now.

  #housekeepLater(): void {
    this.#after(HOUSEKEEPING_MS, () => {
      const surplus = this.#levels.isLeaving ? new SlotSet() : this.#surplus();
      if (!surplus.isEmpty) {
        for (const slot of surplus) this.#levels.own.set(slot, Level.NONE);
        this.#levels.changed();
        this.#watch(this.#world.store.drop(surplus));
      }
      for (const [id, slots] of this.#pulling) {
        const index = this.#view.indexOf(id);
        for (const slot of slots) {
          if (this.#view.isOwner(slot, index)) slots.delete(slot);
        }
        if (slots.isEmpty) this.#pulling.delete(id);
      }
      this.#housekeepLater();
    });
  }

  /** Slots that this node has and does not own, whose owners all have everything. */
  #surplus(): SlotSet {
    const view = this.#view;
    const self = view.indexOf(this.#world.selfId);
    const surplus = new SlotSet();
    for (let slot = 0; slot < SLOTS; slot++) {
      if (this.#levels.own.of(slot) === Level.NONE || view.isOwner(slot, self)) continue;
      const owners = view.ownersOf(slot);
      const isThere = (owner: number) =>
        view.nodes[owner]!.isLive && view.levelOf(slot, owner) === Level.FULL;
      if (owners.length > 0 && owners.every(isThere)) surplus.add(slot);
    }
    return surplus;
  }

  #held(): number {
    let count = 0;
    for (let slot = 0; slot < SLOTS; slot++) if (this.#levels.own.of(slot) !== 0) count++;
    return count;
  }
}

/** Whether a member is in a list as it is. */
function isAmong(members: readonly MemberInfo[]): (member: MemberInfo) => boolean {
  const known = new Map(members.map((member) => [member.id, member]));
  return (member) => {
    const old = known.get(member.id);
    if (!old || old.state !== member.state || old.weight !== member.weight) return false;
    return old.zone === member.zone && Buffer.compare(old.meta, member.meta) === 0;
  };
}

/** A link as a bit of two words, the lower one first; none for no link. */
function linkBits(link: number | undefined): readonly [low: number, high: number] {
  if (link === undefined || link < 0) return [0, 0];
  return link < 32 ? [1 << link, 0] : [0, 1 << (link - 32)];
}

/** Of several processes under one name the one that started last. */
function newestOfEachName(members: readonly MemberInfo[]): MemberInfo[] {
  const newest = new Map<string, MemberInfo>();
  for (const member of members) {
    const other = newest.get(member.name);
    const isNewer =
      !other ||
      member.startedAtMs > other.startedAtMs ||
      (member.startedAtMs === other.startedAtMs && member.id > other.id);
    if (isNewer) newest.set(member.name, member);
  }
  return [...newest.values()];
}
