/**
 * The data of a node as the cluster's logic sees it: a change log to ship, and records to apply.
 * What a record looks like is the store's business; two stores of one cluster understand each
 * other's. replica-store.ts has the real one.
 */
import type { SlotSet } from './slot-set.js';

/** Copies of a slot's writes go to so many peers at most: a bit each in a word. */
export const LINKS_MAX = 64;

/** What a node does for clients with the keys of a slot; bits. */
export const Service = {
  NONE: 0,
  /** Runs all commands. */
  SERVES: 1,
  /** Answers readers that accept what a replica has. */
  REPLICA: 2,
  /** Runs what another node has forwarded, whose view may be another one. */
  ACCEPTS: 4,
} as const;

/** How far a stream of the change log was shipped. */
export interface ShippedStream {
  readonly stream: number;
  /** The number behind the last record. */
  readonly to: number;
  /** Records were overwritten before they could be shipped: nobody has what is missing. */
  readonly isLost: boolean;
}

/** Part of the change log, sorted by who is to have a copy. */
export interface Shipment {
  readonly streams: readonly ShippedStream[];
  /**
   * By link: whole records in the order in which they were written. They hold until the next call
   * of the store.
   */
  readonly lanes: readonly (Uint8Array | undefined)[];
}

/** What became of records that were to be applied. */
export interface Applied {
  /** Records that lost against a newer write of their key here. */
  readonly refused: number;
  /** Records that told too little: their keys are to be fetched as a whole. */
  readonly missing: readonly Uint8Array[];
}

/** Where a write of a key stands in the change log, or what was written of it before. */
export interface LogPosition {
  readonly stream: number;
  /** The number of the next record. */
  readonly seq: number;
}

/** A page of a walk over all that a store has. */
export interface ScanPage {
  /** Where to go on; 0: that was all. */
  readonly cursor: number;
  readonly records: Uint8Array;
}

/** A key as a whole, piece by piece. */
export interface WholeReader {
  /** The next piece; undefined behind the last one. */
  next(): Uint8Array | undefined;
}

/** Takes a key that comes as a whole. */
export interface WholeWriter {
  /** @throws SlabringError `SYNTAX`: it is none */
  write(piece: Uint8Array): void;
  /** No more pieces will come. */
  abandon(): void;
  /**
   * All pieces are there: now the key has them, unless it has something newer.
   * @returns false: it has neither, as there was no memory, or what was read was no single state
   */
  finish(): boolean;
}

export interface ReplicaStore {
  /** Runs when there may be something to ship. Set by who ships. */
  onGrowth: () => void;
  /**
   * What is done with a slot's keys here, and which links get copies of their writes.
   * @param service bits of `Service`
   * @param linksLow a bit for each of the links 0 to 31
   * @param linksHigh and for 32 to 63
   */
  setSlot(slot: number, service: number, linksLow: number, linksHigh: number): void;
  /** The next part of the change log; undefined: there is nothing new. */
  ship(): Shipment | undefined;
  /** Applies records, last writer wins. */
  apply(records: Uint8Array): Applied;
  /** A page of the entries and tombstones of these slots that are newer than a stamp. */
  scan(cursor: number, slots: SlotSet, newerThan: bigint): ScanPage;
  /** By slot: a digest of the keys and stamps, as far as these are not newer than a stamp. */
  digests(notNewerThan: bigint): Promise<BigUint64Array>;
  /** The keys of these slots and their stamps, as far as these are not newer than one. */
  keysOf(slots: SlotSet, notNewerThan: bigint): Promise<{ key: string; stamp: bigint }[]>;
  /**
   * Forgets everything of these slots, tombstones too; other copies stay as they are. Slots that
   * are taken out of the set meanwhile keep what they still have.
   */
  drop(slots: SlotSet): Promise<void>;
  /** The key of a record, to be read as a whole. */
  readWhole(record: Uint8Array): WholeReader;
  writeWhole(record: Uint8Array): WholeWriter;
  /** The position behind all writes of the key so far. */
  positionOf(key: Uint8Array): LogPosition;
  /** Entries that had to go because memory was needed, since the start. */
  evictions(): number;
  /** A stamp as new as any that was given or seen here. */
  stamp(): bigint;
  /** Makes all stamps from now on newer than this one. */
  raiseClock(stamp: bigint): void;
}
