/**
 * What one node sends to one peer: records, in numbered batches, of which a bounded amount is under
 * way; they are kept until the peer says that it has applied them, and sent again until then.
 *
 *   streaming  --(more is under way than the window holds, or the peer is dead)-->  behind
 *   behind     --(recover: the peer answers again)-->  streaming, in a new session
 *
 * A peer that is behind costs nothing: what it misses is not kept, but found again. `#floor` is a
 * stamp up to which it had everything; on recovery a scan sends what is newer than that. So the
 * hints for an absent node are the entries themselves, and there are never more of them.
 */

import { BatchRecords } from './batch-records.js';
import type { ClusterBug } from './cluster-world.js';
import { type Ack, PullMode } from './messages.js';

import type { Clock } from './ports.js';
import { SlotSet } from './slot-set.js';
import { RECENT_MS, recentStamp, STAMP_MS_SHIFT } from './stamp.js';
import type { ReplicaStore } from './store.js';
import { Window } from './window.js';

export interface SenderLimits {
  /** Bytes under way to a peer; beyond, it is behind. */
  readonly windowBytes: number;
  /** Bytes under way beyond which a scan waits. */
  readonly scanWindowBytes: number;
  /** Bytes of scans to one peer in a second. */
  readonly scanBytesPerSecond: number;
  /** A batch is sent when it has so many. */
  readonly batchBytes: number;
  /** How long an answer may take before batches are sent again. */
  readonly resendMs: number;
}

export const DEFAULT_SENDER_LIMITS: SenderLimits = {
  // A replica that stalls for a tenth of a second at full speed is not behind.
  windowBytes: 64 * 1024 * 1024,
  // Little enough that writes which come meanwhile do not wait long.
  scanWindowBytes: 2 * 1024 * 1024,
  // A quarter of what a gigabit carries.
  scanBytesPerSecond: 32 * 1024 * 1024,
  batchBytes: 64 * 1024,
  resendMs: 500,
};

/** Pages of a scan in one turn of the event loop. */
const PAGES_PER_TURN = 4;
/** Numbers of batches in which a record lost that are remembered. */
const REFUSALS_KEPT = 1024;

interface Scan {
  readonly slots: SlotSet;
  readonly newerThan: bigint;
  /** The pull that asked for it; 0: nobody did. */
  readonly pull: number;
  /** After it, the peer has everything: the floor may rise. */
  readonly isRecovery: boolean;
  /** It is of slots that the peer has not met: see `met`. */
  readonly isMeeting: boolean;
  cursor: number;
}

/** A scan that is not complete there yet. */
interface Meeting {
  readonly slots: SlotSet;
  /** Of its last batch. */
  readonly number: number;
}

/** A scan that nobody asked for. */
const SCAN = { newerThan: 0n, pull: 0, isRecovery: false, isMeeting: false, cursor: 0 };

export interface SenderWorld {
  readonly bug?: ClusterBug | undefined;
  readonly clock: Clock;
  readonly store: ReplicaStore;
  /** This node's id. */
  readonly selfId: string;
  readonly limits: SenderLimits;
  /** As a transport's (ports.ts). */
  send(bytes: Uint8Array, frontBytes: number): void;
  /** Larger at each call. */
  newSession(): number;
  /** The peer has got further, or has fallen behind. */
  onProgress(): void;
}

export class PeerSender {
  readonly #world: SenderWorld;
  #session = 0;
  #isStreaming = false;
  readonly #window: Window;
  /** Stamps of the batches that are not complete there yet. */
  #stamps: { number: number; stamp: bigint }[] = [];
  #open = new BatchRecords();
  #openDone: number[] = [];
  /** Whether the open batch has writes, and not what a scan has found. */
  #hasWrites = false;
  #sealed = 0;
  /** The last batch with writes. */
  #written = 0;
  #applied = 0;
  #complete = 0;
  #refused = new Set<number>();
  #scans: Scan[] = [];
  readonly #met = new SlotSet();
  #meetings: Meeting[] = [];
  /** The pulls of this session that were begun, and perhaps answered. */
  #pulls = new Set<number>();
  #floor = 0n;
  /** The floor stays where it is until this batch is complete; 0: it may rise. */
  #floorWaitsFor = 0;
  #stopScanning: (() => void) | undefined;
  /** When the next page of a scan may be read. */
  #scanAtMs = 0;

  constructor(world: SenderWorld) {
    this.#world = world;
    const { clock, limits, bug } = world;
    this.#window = new Window({
      ...{ clock, resendMs: limits.resendMs, neverResends: bug === 'no-resend' },
      send: ({ bytes, frontBytes }) => world.send(bytes, frontBytes),
      giveBack: (bytes) => this.#open.giveBack(bytes),
    });
  }

  get isStreaming(): boolean {
    return this.#isStreaming;
  }

  /** The number of the last batch that was sent. */
  get sealed(): number {
    return this.#sealed;
  }

  /**
   * When this batch is complete and none of its records lost, the peer has what was just added.
   */
  get written(): number {
    return this.#written;
  }

  /**
   * Likewise of all writes before: those that the peer missed while it was away come by a scan, and
   * until that has come to its end nobody knows in which batch.
   */
  get writtenBefore(): number {
    return Math.max(this.#written, this.#floorWaitsFor);
  }

  get session(): number {
    return this.#session;
  }

  /** Bytes that were sent and not answered. */
  get windowBytes(): number {
    return this.#window.bytes;
  }

  /** Whether the peer has all that there is to send. */
  get isIdle(): boolean {
    const isSent = this.#scans.length === 0 && this.#open.bytes === 0;
    return this.#isStreaming && isSent && this.#complete === this.#sealed;
  }

  get scans(): number {
    return this.#scans.length;
  }

  /** Whether the peer has all of a batch of a session, and every record in it won. */
  hasTaken(session: number, number: number): 'taken' | 'refused' | 'waiting' {
    if (session !== this.#session) return 'refused';
    const isRefused = this.#world.bug !== 'refusals-count' && this.#refused.has(number);
    if (isRefused) return 'refused';
    return this.#complete >= number ? 'taken' : 'waiting';
  }

  /**
   * Slots of which the peer was sent all that is here, or is being sent it, and has got all writes
   * since: what it missed of such a slot is newer than the floor. Only to be read.
   */
  get met(): SlotSet {
    return this.#met;
  }

  /** There is nothing of these slots here that the peer would not have. */
  noteMet(slots: SlotSet): void {
    if (this.#isStreaming) this.#met.addAll(slots);
  }

  /** Of other slots than these the peer does not get the writes, or has dropped what it had. */
  retainMet(slots: SlotSet): void {
    this.#met.retainAll(slots);
  }

  forgetMet(slots: SlotSet): void {
    this.#met.deleteAll(slots);
  }

  /** Sends all that there is of these slots. */
  meet(slots: SlotSet): void {
    this.#scan({ ...SCAN, slots, isMeeting: true });
  }

  /** Begins to send to a peer that has nothing of this node yet, and will ask for what it needs. */
  start(): void {
    this.#begin();
  }

  /** The peer answers again: sends what it missed of these slots, and streams on. */
  recover(slots: SlotSet): void {
    this.#begin();
    if (this.#world.bug === 'no-recovery-scan') return;
    this.#floorWaitsFor = Number.POSITIVE_INFINITY;
    this.#scan({ ...SCAN, slots, newerThan: this.#floorWithMargin(), isRecovery: true });
  }

  /** Sends all entries of these slots that are newer than a stamp. */
  send(slots: SlotSet, newerThan: bigint): void {
    this.#scan({ ...SCAN, slots, newerThan });
  }

  /** Whether a pull is being answered in this session, or was. */
  hasPull(pull: number): boolean {
    return this.#pulls.has(pull);
  }

  /** Sends what the peer has asked for. */
  answerPull(pull: number, slots: SlotSet, mode: number): void {
    if (!this.#isStreaming) return;
    this.#pulls.add(pull);
    if (mode === PullMode.CATCH_UP) {
      const unmet = slots.copy();
      unmet.deleteAll(this.#met);
      if (!unmet.isEmpty) this.meet(unmet);
      this.#scan({ ...SCAN, slots, newerThan: this.#floorWithMargin(), pull });
    } else {
      const isAll = mode === PullMode.ALL;
      const newerThan = isAll ? 0n : recentStamp(this.#world.clock.now());
      this.#scan({ ...SCAN, slots: slots.copy(), newerThan, pull, isMeeting: true });
    }
  }

  /** Records of this node's writes, which are copied. They are sent by `flush`, or when there are many. */
  add(records: Uint8Array): void {
    if (!this.#isStreaming || records.length === 0) return;
    this.#hasWrites = true;
    this.#put(records);
  }

  #put(records: Uint8Array): void {
    this.#open.add(records);
    if (this.#open.bytes >= this.#world.limits.batchBytes) this.flush();
  }

  flush(): void {
    if (!this.#isStreaming || !this.#isOpen) return;
    const { store } = this.#world;
    const number = ++this.#sealed;
    const stamp = store.stamp();
    const { selfId: from } = this.#world;
    const facts = { from, session: this.#session, number, stamp, heard: this.#complete };
    const sealed = this.#open.seal({ ...facts, done: this.#openDone });
    if (this.#hasWrites) this.#written = number;
    this.#hasWrites = false;
    this.#openDone = [];
    this.#stamps.push({ number, stamp });
    this.#window.send(sealed, number);
    if (this.#window.bytes > this.#world.limits.windowBytes) this.fallBehind();
  }

  /** Something came from the peer. */
  heard(): void {
    this.#window.heard();
  }

  /** The peer has told how far it is. */
  acknowledge({ session, applied, complete, refused, isBroken }: Ack): void {
    if (session !== this.#session || !this.#isStreaming) return;
    if (isBroken) {
      this.fallBehind();
      return;
    }
    for (const number of refused) this.#refused.add(number);
    while (this.#refused.size > REFUSALS_KEPT) {
      this.#refused.delete(this.#refused.values().next().value!);
    }
    if (applied > this.#applied && applied <= this.#sealed) {
      this.#applied = applied;
      this.#window.advance(applied);
    }
    if (complete > this.#complete && complete <= this.#sealed) this.#completeTo(complete);
    this.#goOnScanning();
    this.#world.onProgress();
  }

  /** Nothing is sent any more until `recover`. */
  fallBehind(): void {
    if (!this.#isStreaming) return;
    this.#isStreaming = false;
    this.#forget();
    this.#world.onProgress();
  }

  stop(): void {
    this.#isStreaming = false;
    this.#forget();
  }

  #begin(): void {
    this.#forget();
    this.#session = this.#world.newSession();
    this.#isStreaming = true;
    this.#sealed = 0;
    this.#written = 0;
    this.#applied = 0;
    this.#complete = 0;
    this.#floorWaitsFor = 0;
    this.#refused.clear();
  }

  #forget(): void {
    this.#window.clear();
    this.#stopScanning?.();
    this.#stopScanning = undefined;
    this.#stamps = [];
    this.#open.clear();
    this.#openDone = [];
    this.#hasWrites = false;
    for (const { slots, isMeeting } of this.#scans) if (isMeeting) this.#met.deleteAll(slots);
    for (const { slots } of this.#meetings) this.#met.deleteAll(slots);
    this.#scans = [];
    this.#meetings = [];
    this.#pulls.clear();
  }

  #scan(scan: Scan): void {
    if (!this.#isStreaming) return;
    if (scan.isMeeting) this.#met.addAll(scan.slots);
    this.#scans.push(scan);
    this.#goOnScanning();
  }

  #floorWithMargin(): bigint {
    const margin = BigInt(RECENT_MS) << STAMP_MS_SHIFT;
    return this.#floor > margin ? this.#floor - margin : 0n;
  }

  #completeTo(complete: number): void {
    this.#complete = complete;
    if (complete >= this.#floorWaitsFor) this.#floorWaitsFor = 0;
    while (this.#stamps.length > 0 && this.#stamps[0]!.number <= complete) {
      const { stamp } = this.#stamps.shift()!;
      if (this.#floorWaitsFor === 0) this.#floor = stamp;
    }
    this.#meetings = this.#meetings.filter(({ number }) => number > complete);
  }

  #goOnScanning(): void {
    if (this.#stopScanning || this.#scans.length === 0) return;
    const { clock, limits } = this.#world;
    if (this.#window.bytes > limits.scanWindowBytes) return;
    const delayMs = Math.max(0, this.#scanAtMs - clock.now());
    this.#stopScanning = clock.after(delayMs, () => {
      this.#stopScanning = undefined;
      for (let page = 0; page < PAGES_PER_TURN && this.#scans.length > 0; page++) this.#scanPage();
      this.#goOnScanning();
    });
  }

  #scanPage(): void {
    const scan = this.#scans[0]!;
    const { clock, store, limits } = this.#world;
    const { cursor, records } = store.scan(scan.cursor, scan.slots, scan.newerThan);
    scan.cursor = cursor;
    const costMs = (1000 * records.length) / limits.scanBytesPerSecond;
    this.#scanAtMs = Math.max(this.#scanAtMs, clock.now()) + costMs;
    // In batches of their own: what a scan finds may be older than what the peer has, and then the
    // batch counts as one in which a record lost.
    this.flush();
    if (records.length > 0) this.#put(records);
    // That may have been too much for the window, and then there are no scans any more.
    if (this.#scans[0] !== scan) return;
    if (cursor !== 0) {
      this.flush();
      return;
    }
    this.#scans.shift();
    if (scan.pull !== 0) this.#openDone.push(scan.pull);
    const number = this.#sealed + (this.#isOpen ? 1 : 0);
    if (scan.isMeeting) this.#meetings.push({ slots: scan.slots, number });
    if (scan.isRecovery) this.#floorWaitsFor = number;
    this.flush();
    this.#completeTo(this.#complete);
  }

  /** There is a batch to be sealed. */
  get #isOpen(): boolean {
    return this.#open.bytes > 0 || this.#openDone.length > 0;
  }
}
