/**
 * Arenas of several nodes that tell each other what they write, as a host would, but in any order,
 * twice, or not at all; and what each of them has then.
 */
import type { ArenaOptions } from '#engine/arena.js';
import {
  DELETED,
  LOG_DELETE,
  LOG_EFFECT,
  type LogRecord,
  REASON_MASK,
  REMOTE,
  readRecord,
} from '#engine/log-record.js';
import { Replica } from '#engine/replica.js';
import { KeyReader, KeyWriter } from '#engine/whole-key.js';
import { Random } from './fuzz-random.mjs';
import { command, integer, integerOf, itemsOf, str, valuesOf, type Wire } from './kernel-wire.js';
import { recordsOf, StampedBench } from './stamped-arena.js';

/* Kinds of entries, as engine/kernel/entry.ts numbers them. */
const LIST = 2;
const SET = 3;
const HASH = 4;

export class Peer extends StampedBench {
  readonly replica: Replica;
  /** Records that others wrote and that are under way, each with who did. */
  inbox: { readonly from: Peer; readonly bytes: Buffer }[] = [];
  /** Keys that were, and commands of others that were run here. */
  fetched = 0;
  repeated = 0;
  /** Whether there may be no memory for what comes. */
  mayLack = false;

  constructor(node: number, options: Partial<ArenaOptions> = {}, nowMs?: number) {
    super(node, options, nowMs);
    this.replica = new Replica(this.arena);
  }

  /** What is at a key, as text that is the same for the same content; undefined: nothing. */
  contentOf(key: string): string | undefined {
    const { stamp, kind, expiryMs } = this.replica.stampOf(Buffer.from(key), this.nowMs);
    if (stamp === 0n) return undefined;
    const parts = this.#partsOf(key, kind);
    const sorted = kind === SET || kind === HASH ? parts.sort() : parts;
    return `${stamp} ${kind} ${expiryMs} ${sorted.join(' ')}`;
  }

  /** A hash's fields come with their values and when they expire. */
  #partsOf(key: string, kind: number): string[] {
    const hex = (wire: Wire) => wire.toString('hex');
    const at = str(key);
    if (kind === LIST) {
      return itemsOf(this.one(command('LRANGE', at, integer(0), integer(-1)))).map(hex);
    }
    if (kind === SET) return itemsOf(this.one(command('SMEMBERS', at))).map(hex);
    if (kind === HASH) {
      return this.#fieldsOf(key).map(([field, value, ttlMs]) => {
        const expiryMs = ttlMs < 0 ? -1 : this.nowMs + ttlMs;
        return `${hex(field)}=${hex(value)}@${expiryMs}`;
      });
    }
    if (kind === 1) return [hex(this.one(command('GET', at)))];
    return this.#scoresOf(key).map(([member, score]) => `${hex(member)}:${hex(score)}`);
  }

  #fieldsOf(key: string): [field: Wire, value: Wire, ttlMs: number][] {
    const map = this.one(command('HGETALL', str(key)));
    const headBytes = map[0]! >= 0x80 && map[0]! < 0x90 ? 1 : map[0] === 0xde ? 3 : 5;
    const all = valuesOf(map.subarray(headBytes));
    const fields = all.filter((_, i) => i % 2 === 0);
    if (fields.length === 0) return [];
    const ttls = itemsOf(this.one(command('HTTL', str(key), ...fields)));
    return fields.map((field, i) => [field, all[2 * i + 1]!, Number(integerOf(ttls[i]!))]);
  }

  #scoresOf(key: string): [member: Wire, score: Wire][] {
    const members = itemsOf(this.one(command('ZRANGE', str(key), integer(0), integer(-1))));
    const scores = itemsOf(this.one(command('ZMSCORE', str(key), ...members)));
    return members.map((member, i) => [member, scores[i]!]);
  }

  /** Takes a key over from another node as it is there, unless what is here is newer. */
  fetch(from: Peer, key: string): void {
    this.fetched++;
    const bytes = Buffer.from(key);
    const reader = new KeyReader(from.arena, bytes, () => from.nowMs);
    const writer = new KeyWriter(this.arena, this.replica, bytes, () => this.nowMs);
    for (let piece = reader.next(); piece; piece = reader.next()) writer.write(piece);
    const outcome = writer.finish();
    if (outcome === 'no memory' && this.mayLack) return;
    if (outcome === 'no memory' || outcome === 'incomplete') throw new Error(`${key}: ${outcome}`);
  }

  /** Applies records of another node, and fetches what is missing. */
  apply(from: Peer, bytes: Buffer): void {
    const { applied, missing, unstored } = this.replica.applyRecords(bytes, this.nowMs);
    if (readRecord(bytes, 0).kind === LOG_EFFECT) this.repeated += applied;
    if (unstored.length > 0 && !this.mayLack) {
      throw new Error(`no memory for ${unstored.length} records`);
    }
    for (const at of missing) this.fetch(from, readRecord(bytes, at).key.toString());
  }

  /** Applies all that another node has by now. */
  repair(from: Peer, newerThan = 0n): void {
    for (let cursor = -1; cursor !== 0; ) {
      const page = from.replica.scanRecords(Math.max(cursor, 0), from.nowMs, newerThan);
      if (page.bytes.length > 0) this.apply(from, page.bytes);
      cursor = page.cursor;
    }
  }
}

/** Some nodes, and the writes that won by now. */
export class Peers {
  readonly peers: readonly Peer[];
  readonly random: Random;
  /** By key: the highest stamp that a write of it had, and what it had made of the key. */
  readonly winners = new Map<string, { stamp: bigint; content: string | undefined }>();

  constructor(count: number, seed: number, options: Partial<ArenaOptions> = {}, nowMs?: number) {
    this.random = new Random(seed);
    // They keep collections in different ways.
    this.peers = Array.from({ length: count }, (_, i) => {
      return new Peer(i + 1, i % 2 === 0 ? options : { ...options, packedItems: 0 }, nowMs);
    });
  }

  /** Runs a command on a node, whose log is told to all. */
  write(peer: Peer, request: Wire): void {
    peer.one(request);
    this.tell(peer);
  }

  /** What a node has written goes to all others. */
  tell(peer: Peer): void {
    // Applying a deletion may evict, of which others are told as well.
    for (let bytes = peer.logged(); bytes.length > 0; bytes = peer.logged()) {
      let at = 0;
      for (const record of recordsOf(bytes)) {
        const one = bytes.subarray(at, record.end);
        at = record.end;
        if ((record.detail & REMOTE) === 0) this.#tellOne(peer, record, one);
      }
    }
  }

  #tellOne(peer: Peer, record: LogRecord, bytes: Buffer): void {
    this.#note(peer, record);
    for (const other of this.peers) {
      if (other !== peer) other.inbox.push({ from: peer, bytes });
    }
  }

  #note(peer: Peer, record: LogRecord): void {
    const key = record.key.toString();
    const won = this.winners.get(key);
    if (won !== undefined && won.stamp > record.stamp) return;
    const isGone = record.kind === LOG_DELETE;
    if (isGone && !isDeleted(record)) return;
    const content = isGone ? undefined : peer.contentOf(key);
    this.winners.set(key, { stamp: record.stamp, content });
  }

  /**
   * A node takes some of what is under way to it, half the time in any order, some of it twice;
   * some gets lost.
   */
  deliver(peer: Peer, share: number, lost: number): void {
    const { random } = this;
    const isInOrder = random.chance(0.5);
    const taken: typeof peer.inbox = [];
    const left: typeof peer.inbox = [];
    for (const message of peer.inbox) {
      if (!random.chance(share)) left.push(message);
      else if (random.chance(lost)) continue;
      else taken.splice(isInOrder ? taken.length : random.below(taken.length + 1), 0, message);
    }
    peer.inbox = left;
    for (const message of taken) {
      if (random.chance(0.1)) peer.inbox.push(message);
      peer.apply(message.from, message.bytes);
    }
    this.tell(peer);
  }

  /** Delivers all that is under way; then every node looks at what every other one has. */
  settle(): void {
    for (const peer of this.peers) while (peer.inbox.length > 0) this.deliver(peer, 1, 0);
    for (const peer of this.peers) {
      for (const other of this.peers) if (other !== peer) peer.repair(other);
    }
    for (const peer of this.peers) this.tell(peer);
  }

  check(): void {
    for (const peer of this.peers) {
      const broken = peer.arena.checkIntegrity();
      if (broken) throw new Error(broken);
    }
  }
}

function isDeleted(record: LogRecord): boolean {
  return (record.detail & REASON_MASK) === DELETED;
}
