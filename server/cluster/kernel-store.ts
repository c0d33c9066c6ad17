/** The data of a real node: its arenas, as the cluster's logic sees them (store.ts). */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Arena } from '../../engine/arena.js';
import type { ArenaSet } from '../../engine/arena-set.js';
import { LogLanes, lanesOf, takeLost } from '../../engine/log-lanes.js';
import { LogReader } from '../../engine/log-reader.js';
import { EVICTED, LOG_DELETE, REMOTE, readRecord, writeRecord } from '../../engine/log-record.js';
import type { Replica } from '../../engine/replica.js';
import { ReplicaSet } from '../../engine/replica-set.js';
import { SlotTable } from '../../engine/slot-table.js';
import { SLOTS, slotOf } from '../../engine/slots.js';
import { WholeKeys } from '../../engine/whole-key.js';
import type { Outcome } from '../../engine/whole-writer.js';
import type { SlotSet } from './slot-set.js';
import { stampAt } from './stamp.js';
import {
  type Applied,
  type LogPosition,
  type ReplicaStore,
  type ScanPage,
  Service,
  type Shipment,
  type ShippedStream,
  type WholeReader,
  type WholeWriter,
} from './store.js';

/** Cursors of the arenas are below it. */
const CURSORS = 2 ** 40;
/** Pages of a walk in one turn of the event loop: some hundred microseconds. */
const PAGES_PER_TURN = 4;

/** What a key that was fetched may come to, and is not here then. */
const FAILURES: readonly Outcome[] = ['incomplete', 'no memory'];

/** One arena, and what is done with it. */
interface Part {
  readonly arena: Arena;
  readonly reader: LogReader;
  readonly replica: Replica;
  /** The number of its first stream. */
  readonly firstStream: number;
  /** By partition: numbers of the records that are shipped next. */
  readonly shipped: Float64Array;
  /** The links in use, in as many passes as the arena's lanes ask for. */
  lanes: readonly LogLanes[];
  /** The partition that is shipped first. */
  next: number;
}

export interface KernelStoreOptions {
  /** Bytes of the change log in all. */
  readonly logBytes: number;
  readonly now: () => number;
}

export class KernelStore implements ReplicaStore {
  onGrowth = () => {};
  readonly streams: number;
  readonly #arenas: ArenaSet;
  readonly #now: () => number;
  readonly #parts: readonly Part[];
  readonly #slots: SlotTable;
  readonly #replicas: ReplicaSet;
  /** By slot, what the tables in the arenas have no room for: all bits of `Service`. */
  readonly #services = new Uint8Array(SLOTS);
  readonly #whole: WholeKeys;
  /** Links that any slot's writes go to, or went to: bits of two words. */
  #linksLow = 0;
  #linksHigh = 0;
  /** Whether all slots' writes go to the same links; undefined: slots were set since. */
  #isUniform: boolean | undefined;
  #next = 0;
  #isWatching = false;
  #isClosed = false;
  /** Ends when what uses the tables of digests now is done. */
  #digesting: Promise<unknown> = Promise.resolve();

  /**
   * @param arenas made with `slots` and `node`; this thread's own
   * @throws SlabringError `OOM`: there is no memory for the change log
   */
  constructor(arenas: ArenaSet, { logBytes, now }: KernelStoreOptions) {
    const { partitions } = arenas.facts;
    this.#arenas = arenas;
    this.#now = now;
    this.#slots = new SlotTable(arenas);
    this.#replicas = new ReplicaSet(arenas);
    this.#whole = new WholeKeys(arenas, now);
    this.#parts = arenas.arenas.map((arena, index) => ({
      arena,
      reader: new LogReader(arena, logBytes / arenas.arenas.length),
      replica: this.#replicas.replicas[index]!,
      firstStream: index * partitions,
      shipped: new Float64Array(partitions),
      lanes: passesOf(arena, 1),
      next: 0,
    }));
    this.streams = this.#parts.length * partitions;
  }

  /** What is done with a slot here: bits of `Service`. */
  serviceOf(slot: number): number {
    return this.#services[slot]!;
  }

  setSlot(slot: number, service: number, linksLow: number, linksHigh: number): void {
    const targets = (BigInt(linksHigh >>> 0) << 32n) | BigInt(linksLow >>> 0);
    this.#slots.setTargets(slot, targets);
    this.#isUniform = undefined;
    this.#use(linksLow, linksHigh);
    // After the links: what is written from now on goes to all of them.
    this.#services[slot] = service;
    this.#slots.setService(slot, service & (Service.SERVES | Service.REPLICA));
  }

  ship(): Shipment | undefined {
    this.#isUniform ??= this.#slots.isUniform;
    for (let looked = 0; looked < this.#parts.length; looked++) {
      const shipment = shipFrom(this.#parts[this.#next]!, this.#isUniform);
      if (shipment) return shipment;
      this.#next = (this.#next + 1) % this.#parts.length;
    }
    void this.#watch();
    return undefined;
  }

  apply(records: Uint8Array): Applied {
    let refused = 0;
    const missing: Uint8Array[] = [];
    for (const run of runsOf(bufferOf(records), this.#replicas.capacityBytes)) {
      const applied = this.#replicas.applyRecords(run, this.#now());
      // What there was no memory for is not here, as if it had lost.
      refused += applied.refused + applied.unstored.length;
      for (const at of applied.missing) {
        missing.push(Uint8Array.from(run.subarray(at, readRecord(run, at).end)));
      }
    }
    return { refused, missing };
  }

  scan(cursor: number, slots: SlotSet, newerThan: bigint): ScanPage {
    const index = Math.floor(cursor / CURSORS);
    const { replica } = this.#parts[index]!;
    const page = replica.scanRecords(cursor % CURSORS, this.#now(), newerThan);
    const records = recordsOf(page.bytes, slots);
    if (page.cursor !== 0) return { cursor: index * CURSORS + page.cursor, records };
    const isLast = index + 1 === this.#parts.length;
    return { cursor: isLast ? 0 : (index + 1) * CURSORS, records };
  }

  digests(notNewerThan: bigint): Promise<BigUint64Array> {
    const digests = this.#digesting.then(() => this.#computeDigests(notNewerThan));
    this.#digesting = digests.catch(() => {});
    return digests;
  }

  async keysOf(slots: SlotSet, notNewerThan: bigint): Promise<{ key: string; stamp: bigint }[]> {
    const found: { key: string; stamp: bigint }[] = [];
    let pages = 0;
    let cursor = 0;
    do {
      const page = this.scan(cursor, slots, 0n);
      const bytes = bufferOf(page.records);
      for (let at = 0; at < bytes.length; ) {
        const { kind, key, stamp, end } = readRecord(bytes, at);
        const isWanted = kind !== LOG_DELETE && stamp <= notNewerThan;
        if (isWanted) found.push({ key: key.toString('latin1'), stamp });
        at = end;
      }
      cursor = page.cursor;
      if (++pages % PAGES_PER_TURN === 0) await nextTurn();
    } while (cursor !== 0 && !this.#isClosed);
    return found;
  }

  async drop(slots: SlotSet): Promise<void> {
    let pages = 0;
    let cursor = 0;
    do {
      const page = this.scan(cursor, slots, 0n);
      this.apply(lossesOf(page.records));
      cursor = page.cursor;
      if (++pages % PAGES_PER_TURN === 0) await nextTurn();
    } while (cursor !== 0 && !this.#isClosed);
  }

  readWhole(record: Uint8Array): WholeReader {
    return this.#whole.read(keyOf(record));
  }

  writeWhole(record: Uint8Array): WholeWriter {
    const writer = this.#whole.write(keyOf(record));
    return {
      write: (piece) => writer.write(piece),
      finish: () => !FAILURES.includes(writer.finish()),
      abandon: () => writer.abandon(),
    };
  }

  positionOf(key: Uint8Array): LogPosition {
    const { replica, firstStream } = this.#parts[this.#arenas.routes?.arenaOf(key) ?? 0]!;
    const { partition, next } = replica.logPositionOf(key);
    return { stream: firstStream + partition, seq: next };
  }

  evictions(): number {
    return this.#arenas.stats().evictions;
  }

  /** Whether everything before a position was taken by `ship`. */
  isShipped({ stream, seq }: LogPosition): boolean {
    const { partitions } = this.#arenas.facts;
    const { reader } = this.#parts[Math.floor(stream / partitions)]!;
    return reader.numberOf(stream % partitions) >= seq;
  }

  stamp(): bigint {
    const wall = stampAt(this.#now());
    const seen = this.#replicas.clock();
    if (seen > wall) return seen;
    return wall;
  }

  raiseClock(stamp: bigint): void {
    this.#replicas.raiseClock(stamp);
  }

  close(): void {
    this.#isClosed = true;
    this.onGrowth = () => {};
    for (const { reader } of this.#parts) reader.close();
  }

  #use(linksLow: number, linksHigh: number): void {
    const low = this.#linksLow | linksLow;
    const high = this.#linksHigh | linksHigh;
    if (low === this.#linksLow && high === this.#linksHigh) return;
    this.#linksLow = low;
    this.#linksHigh = high;
    const links = high === 0 ? 32 - Math.clz32(low) : 64 - Math.clz32(high);
    for (const part of this.#parts) part.lanes = passesOf(part.arena, links);
  }

  async #computeDigests(notNewerThan: bigint): Promise<BigUint64Array> {
    this.#slots.clearDigests();
    let pages = 0;
    for (const { replica } of this.#parts) {
      let cursor = 0;
      do {
        cursor = replica.addDigests(cursor, this.#now(), notNewerThan);
        if (++pages % PAGES_PER_TURN === 0) await nextTurn();
      } while (cursor !== 0 && !this.#isClosed);
    }
    return BigUint64Array.from({ length: SLOTS }, (_, slot) => this.#slots.digestOf(slot));
  }

  /** Waits until there is something to ship, and says so. */
  async #watch(): Promise<void> {
    if (this.#isWatching || this.#isClosed) return;
    this.#isWatching = true;
    const sleeps = this.#parts.map(({ reader }) => reader.growth(sleep));
    if (sleeps.every((growth) => growth !== undefined)) await Promise.race(sleeps);
    this.#isWatching = false;
    if (!this.#isClosed) this.onGrowth();
  }
}

/** What is new in an arena's log, or as much of it as the lanes have room for. */
function shipFrom(part: Part, isUniform: boolean): Shipment | undefined {
  const { reader, shipped, lanes } = part;
  for (let i = 0; i < shipped.length; i++) shipped[i] = reader.numberOf(i);
  const [pass, ...others] = lanes as [LogLanes, ...LogLanes[]];
  const before = others.length > 0 ? Buffer.from(reader.positions) : undefined;
  pass.clear();
  const end = pass.fill(reader, part.next, isUniform);
  part.next = end % shipped.length;
  const streams = streamsOf(part);
  if (streams.length === 0) return undefined;
  const sorted: Uint8Array[] = [];
  for (let link = 0; link < pass.links; link++) {
    if (pass.bytesFor(link) === 0) continue;
    // As a rule nobody has to copy it yet.
    sorted[link] = before ? pass.copyFor(link) : pass.viewFor(link);
  }
  if (!before) return { streams, lanes: sorted };
  const limits = Float64Array.from(shipped, (_, i) => reader.numberOf(i));
  const after = Buffer.from(reader.positions);
  let isLost = false;
  for (const other of others) {
    reader.positions.set(before);
    for (let at = 0; at < limits.length; ) {
      other.clear();
      at = other.fill(reader, at, isUniform, limits);
      for (let link = other.firstLink; link < other.firstLink + other.links; link++) {
        if (other.bytesFor(link) > 0) sorted[link] = joined(sorted[link], other.copyFor(link));
      }
    }
    for (let i = 0; i < limits.length; i++) if (takeLost(reader, i)) isLost = true;
  }
  reader.positions.set(after);
  return {
    streams: streams.map((one) => ({ ...one, isLost: one.isLost || isLost })),
    lanes: sorted,
  };
}

/** The streams that have come further. */
function streamsOf({ reader, shipped, firstStream }: Part): ShippedStream[] {
  const streams: ShippedStream[] = [];
  for (let i = 0; i < shipped.length; i++) {
    const to = reader.numberOf(i);
    if (to === shipped[i]) continue;
    streams.push({ stream: firstStream + i, to, isLost: takeLost(reader, i) });
  }
  return streams;
}

function joined(some: Uint8Array | undefined, more: Uint8Array): Uint8Array {
  return some ? Buffer.concat([some, more]) : more;
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** The same bytes. */
function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** So many links in as many passes as there must be with the arena's lanes. */
function passesOf(arena: Arena, links: number): LogLanes[] {
  const lanes = lanesOf(arena);
  const passes: LogLanes[] = [];
  for (let first = 0; first < links; first += lanes) {
    passes.push(new LogLanes(arena, first, Math.min(lanes, links - first)));
  }
  return passes;
}

function keyOf(record: Uint8Array): Uint8Array {
  const bytes = bufferOf(record);
  return readRecord(bytes, 0).key;
}

/** Whole records in runs of up to so many bytes. */
function* runsOf(bytes: Buffer, limitBytes: number): Generator<Buffer> {
  let start = 0;
  while (bytes.length - start > limitBytes) {
    let end = start;
    for (let next = start; next - start <= limitBytes; next = readRecord(bytes, next).end) {
      end = next;
    }
    yield bytes.subarray(start, end);
    start = end;
  }
  if (start < bytes.length) yield bytes.subarray(start);
}

/** Those of these slots, one after the other. */
function recordsOf(bytes: Buffer, slots: SlotSet): Uint8Array {
  if (slots.isAll) return bytes;
  const kept: Uint8Array[] = [];
  // Neighbours go together.
  let from = -1;
  for (let at = 0; at < bytes.length; ) {
    const { key, end } = readRecord(bytes, at);
    const isWanted = slots.has(slotOf(key));
    if (isWanted && from < 0) from = at;
    if (!isWanted && from >= 0) {
      kept.push(bytes.subarray(from, at));
      from = -1;
    }
    at = end;
  }
  if (from >= 0) kept.push(bytes.subarray(from));
  return kept.length === 1 ? kept[0]! : Buffer.concat(kept);
}

/** Records that say of the entries of others that they are lost, as if they had been evicted. */
function lossesOf(records: Uint8Array): Uint8Array {
  const bytes = bufferOf(records);
  const losses: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const { kind, key, stamp, end } = readRecord(bytes, at);
    const loss = { kind: LOG_DELETE, detail: EVICTED | REMOTE, key, stamp };
    if (kind !== LOG_DELETE) losses.push(writeRecord(loss));
    at = end;
  }
  return Buffer.concat(losses);
}
