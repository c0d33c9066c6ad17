/** The replicas of a node's arenas: which of them a key belongs to is this node's own affair. */
import { Buffer } from 'node:buffer';
import type { ArenaSet } from './arena-set.js';
import { readRecord } from './log-record.js';
import { type Applied, Replica } from './replica.js';

/** The records of a run that belong to one arena. */
class Share {
  readonly parts: Buffer[] = [];
  /** Where each of them stands, here and in the whole run. */
  readonly #from = new Map<number, number>();
  #end = 0;

  add(record: Buffer, at: number): void {
    this.parts.push(record);
    this.#from.set(this.#end, at);
    this.#end += record.length;
  }

  inRun(offsets: readonly number[]): number[] {
    return offsets.map((offset) => this.#from.get(offset)!);
  }
}

export class ReplicaSet {
  readonly replicas: readonly Replica[];
  readonly #set: ArenaSet;

  /**
   * @param set made with the option `node`
   * @throws SlabringError `OPTION` for another one
   */
  constructor(set: ArenaSet) {
    this.#set = set;
    this.replicas = set.arenas.map((arena) => new Replica(arena));
  }

  /** The replica of the arena that a key belongs to. */
  of(key: Uint8Array): Replica {
    return this.replicas[this.#set.routes?.arenaOf(key) ?? 0]!;
  }

  /** Bytes that one call of `applyRecords` takes at the most. */
  get capacityBytes(): number {
    return this.replicas[0]!.capacityBytes;
  }

  /**
   * `Replica.applyRecords` of records of any keys.
   * @throws SlabringError as that one; with several arenas, nothing was applied where a record is
   *   not whole
   */
  applyRecords(bytes: Buffer, nowMs: number): Applied {
    const { routes } = this.#set;
    if (routes === undefined) return this.replicas[0]!.applyRecords(bytes, nowMs);
    const shares = this.replicas.map(() => new Share());
    for (let at = 0; at < bytes.length; ) {
      const { key, end } = readRecord(bytes, at);
      shares[routes.arenaOf(key)]!.add(bytes.subarray(at, end), at);
      at = end;
    }
    const sum = { applied: 0, refused: 0, highestStamp: 0n };
    const missing: number[] = [];
    const unstored: number[] = [];
    for (const [arena, share] of shares.entries()) {
      if (share.parts.length === 0) continue;
      const done = this.replicas[arena]!.applyRecords(Buffer.concat(share.parts), nowMs);
      sum.applied += done.applied;
      sum.refused += done.refused;
      if (done.highestStamp > sum.highestStamp) sum.highestStamp = done.highestStamp;
      missing.push(...share.inRun(done.missing));
      unstored.push(...share.inRun(done.unstored));
    }
    return { ...sum, missing, unstored };
  }

  /** Lets all later writes here have higher stamps than this one. */
  raiseClock(stamp: bigint): void {
    for (const replica of this.replicas) replica.raiseClock(stamp);
  }

  /** The highest stamp that there was here. */
  clock(): bigint {
    let highest = 0n;
    for (const replica of this.replicas) {
      const clock = replica.clock();
      if (clock > highest) highest = clock;
    }
    return highest;
  }
}
