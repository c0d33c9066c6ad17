/** The other members, and what goes on with each of them. */
import { decodeMeta, type MemberInfo } from './members.js';
import type { PeerReceiver } from './receiver.js';
import type { PeerSender } from './sender.js';
import { LINKS_MAX } from './store.js';

/** When a split network has healed, what was said in its parts is gone by then. */
const LATELY_MS = 20_000;

/** Another process of the cluster. */
export interface Peer {
  member: MemberInfo;
  /** Its number among the links of the store; -1: there was none left. */
  readonly link: number;
  readonly sender: PeerSender;
  readonly receiver: PeerReceiver;
  isLive: boolean;
  /** Unix time since when it is dead. */
  deadSinceMs: number | undefined;
  /** Unix time until which it was known as dead, the last time. */
  deadUntilMs: number | undefined;
}

export interface PeersWorld {
  readonly selfId: string;
  now(): number;
  /** A new peer's ends of what is sent to it and comes from it. */
  connect(id: string): Pick<Peer, 'sender' | 'receiver'>;
  complain(text: string): void;
}

/** What is new about the peers; ids. */
export interface PeerNews {
  /** They are live, and were not known. */
  readonly met: readonly string[];
  /** They are live again. */
  readonly returned: readonly string[];
  /** They were live, and are not any more. */
  readonly died: readonly string[];
  /** They were dead already when they were heard of first. */
  readonly foundDead: readonly string[];
  /** Their processes are no more; others may have come under their names. */
  readonly gone: readonly string[];
}

export class Peers {
  readonly #world: PeersWorld;
  readonly #peers = new Map<string, Peer>();
  /** By id: members that were never met alive, and when they were first heard of. */
  readonly #foundDead = new Map<string, number>();

  constructor(world: PeersWorld) {
    this.#world = world;
  }

  get(id: string): Peer | undefined {
    return this.#peers.get(id);
  }

  /** Whether a member is dead, or was until lately, as this node sees it. */
  wasDead(id: string): boolean {
    const { deadSinceMs, deadUntilMs } = this.#peers.get(id) ?? {};
    const now = this.#world.now();
    return deadSinceMs !== undefined || now - (deadUntilMs ?? -Infinity) < LATELY_MS;
  }

  /** Unix time since when a member is known as dead; undefined: it is not, or is not known. */
  deadSinceMs(id: string): number | undefined {
    return this.#peers.get(id)?.deadSinceMs ?? this.#foundDead.get(id);
  }

  [Symbol.iterator](): IterableIterator<Peer> {
    return this.#peers.values();
  }

  /** The ids of those that are live. */
  get live(): string[] {
    return [...this].filter(({ isLive }) => isLive).map(({ member }) => member.id);
  }

  /** Brings the peers up to date. */
  update(members: readonly MemberInfo[]): PeerNews {
    const met: string[] = [];
    const returned: string[] = [];
    const died: string[] = [];
    const gone: string[] = [];
    const foundDead: string[] = [];
    for (const member of members) {
      const { id } = member;
      if (id === this.#world.selfId) continue;
      const isLive = isLiving(member);
      const known = this.#peers.get(id);
      const peer = known ?? (isLive ? this.#meet(member) : undefined);
      if (peer && !known) met.push(id);
      if (!peer) {
        if (!this.#foundDead.has(id)) foundDead.push(id);
        continue;
      }
      this.#foundDead.delete(id);
      peer.member = member;
      if (isLive && !peer.isLive) returned.push(id);
      if (!isLive && peer.isLive) died.push(id);
      peer.isLive = isLive;
      const now = this.#world.now();
      if (peer.deadSinceMs !== undefined) peer.deadUntilMs = now;
      peer.deadSinceMs = isLive ? undefined : (peer.deadSinceMs ?? now);
    }
    const ids = new Set(members.map(({ id }) => id));
    for (const id of foundDead) this.#foundDead.set(id, this.#world.now());
    for (const id of this.#foundDead.keys()) if (!ids.has(id)) this.#foundDead.delete(id);
    for (const [id, { isLive, sender }] of this.#peers) {
      if (ids.has(id)) continue;
      if (isLive) died.push(id);
      gone.push(id);
      sender.stop();
      this.#peers.delete(id);
    }
    return { met, returned, died, foundDead, gone };
  }

  stop(): void {
    for (const { sender } of this) sender.stop();
  }

  #meet(member: MemberInfo): Peer {
    const link = this.#freeLink();
    const ends = this.#world.connect(member.id);
    const times = { deadSinceMs: undefined, deadUntilMs: undefined };
    const peer: Peer = { member, link, ...ends, isLive: true, ...times };
    this.#peers.set(member.id, peer);
    peer.sender.start();
    return peer;
  }

  #freeLink(): number {
    const used = new Set([...this].map(({ link }) => link));
    for (let link = 0; link < LINKS_MAX; link++) if (!used.has(link)) return link;
    this.#world.complain(`a node replicates with at most ${LINKS_MAX} others`);
    return -1;
  }
}

/** It answers, or is only suspected not to. */
export function isLiving({ state }: Pick<MemberInfo, 'state'>): boolean {
  return state === 'alive' || state === 'suspect';
}

/** Of several processes under one name the one that started last. */
export function newestOfEachName(members: readonly MemberInfo[]): MemberInfo[] {
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

/** Whether both lists make the same view; what members have is asked for (levels-exchange.ts). */
export function areSame(some: readonly MemberInfo[], others: readonly MemberInfo[]): boolean {
  if (some.length !== others.length) return false;
  const known = new Map(some.map((member) => [member.id, member]));
  return others.every(({ id, state, weight, zone, meta }) => {
    const old = known.get(id);
    if (!old || old.state !== state || old.weight !== weight || old.zone !== zone) return false;
    return decodeMeta(old.meta).isLeaving === decodeMeta(meta).isLeaving;
  });
}
