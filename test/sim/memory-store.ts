/**
 * A store of a simulated node, on plain maps: the slow twin of the real one. Its records are lines
 * of JSON. It knows integers, texts and sets; what a set's record tells is its effect, as of the
 * real one, so that whoever lacks the state before must fetch the whole.
 */
import { SLOTS, slotOfText } from '#engine/slots.js';
import type { SlotSet } from '#server/cluster/slot-set.js';
import { stampAt } from '#server/cluster/stamp.js';
import type {
  Applied,
  LogPosition,
  ReplicaStore,
  ScanPage,
  Shipment,
  WholeReader,
  WholeWriter,
} from '#server/cluster/store.js';

/** What a client asks for. */
export type Operation =
  | { readonly op: 'get' | 'del' | 'incr'; readonly key: string }
  | { readonly op: 'set'; readonly key: string; readonly value: string; readonly ttlMs?: number }
  | { readonly op: 'sadd' | 'srem'; readonly key: string; readonly member: string };

export type Value = string | number | readonly string[];

export interface Entry {
  stamp: bigint;
  value: string | number | Set<string>;
  expiryMs: number;
}

interface Line {
  kind: 'set' | 'whole' | 'sadd' | 'srem' | 'del' | 'gone';
  key: string;
  stamp: string;
  base?: string;
  value?: Value;
  expiryMs?: number;
}

/** Faults that the checkers must find. */
export type StoreBug = 'no-tombstones' | 'last-to-come-wins' | 'effects-without-base';

const STREAMS = 2;
const NODE_BITS = 10n;
const PAGE_ENTRIES = 20;

function encode(lines: readonly Line[]): Uint8Array {
  return Buffer.from(lines.map(textOf).join(''));
}

function textOf(line: Line): string {
  return `${JSON.stringify(line)}\n`;
}

function decode(bytes: Uint8Array): Line[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();
  if (text === '') return [];
  const lines = text.trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as Line);
}

export const slotOfKey = slotOfText;

export interface MemoryStoreOptions {
  /** The lowest bits of stamps: another number in each node. */
  readonly node: number;
  now(): number;
  /** Records that the change log of a stream holds. */
  readonly logRecords: number;
  readonly tombstoneMs: number;
  /** Between two keys that are dropped. */
  pause(): Promise<void>;
  readonly bug?: StoreBug | undefined;
}

export class MemoryStore implements ReplicaStore {
  onGrowth = () => {};
  readonly entries = new Map<string, Entry>();
  readonly tombstones = new Map<string, { stamp: bigint; untilMs: number }>();
  readonly #options: MemoryStoreOptions;
  #clock = 0n;
  readonly #services = new Uint8Array(SLOTS);
  /** Two words of bits for each slot. */
  readonly #links = new Int32Array(2 * SLOTS);
  readonly #logs: { line: Line; isRemote: boolean }[][] = [];
  readonly #next: number[] = [];
  readonly #shipped: number[] = [];

  constructor(options: MemoryStoreOptions) {
    this.#options = options;
    for (let stream = 0; stream < STREAMS; stream++) {
      this.#logs.push([]);
      this.#next.push(1);
      this.#shipped.push(1);
    }
  }

  serviceOf(key: string): number {
    return this.#services[slotOfKey(key)]!;
  }

  /** Runs what a client asks for; undefined: this node does not do that. */
  run(operation: Operation, service: number): Value | null | undefined {
    if ((this.serviceOf(operation.key) & service) === 0) return undefined;
    const entry = this.entryOf(operation.key);
    const { key } = operation;
    switch (operation.op) {
      case 'get':
        if (!entry) return null;
        return entry.value instanceof Set ? [...entry.value].sort() : entry.value;
      case 'set': {
        const expiryMs = operation.ttlMs ? this.#options.now() + operation.ttlMs : 0;
        this.#put('set', key, operation.value, expiryMs);
        return 1;
      }
      case 'del': {
        if (!entry) return 0;
        this.#remove(key);
        return 1;
      }
      case 'incr': {
        const sum = Number(entry?.value ?? 0) + 1;
        this.#put('set', key, sum, entry?.expiryMs ?? 0);
        return sum;
      }
      case 'sadd':
      case 'srem':
        return this.#change(operation.op, key, operation.member, entry);
    }
  }

  setSlot(slot: number, service: number, linksLow: number, linksHigh: number): void {
    this.#services[slot] = service;
    this.#links[2 * slot] = linksLow;
    this.#links[2 * slot + 1] = linksHigh;
  }

  ship(): Shipment | undefined {
    for (let stream = 0; stream < STREAMS; stream++) {
      const log = this.#logs[stream]!;
      const next = this.#next[stream]!;
      const from = this.#shipped[stream]!;
      if (from === next) continue;
      const oldest = next - log.length;
      this.#shipped[stream] = next;
      const lanes: string[] = [];
      for (const { line, isRemote } of log.slice(Math.max(0, from - oldest))) {
        if (isRemote) continue;
        const text = textOf(line);
        for (const link of this.#linksOf(line.key)) lanes[link] = (lanes[link] ?? '') + text;
      }
      const bytes = Array.from(lanes, (lane) => (lane === undefined ? lane : Buffer.from(lane)));
      return { streams: [{ stream, to: next, isLost: from < oldest }], lanes: bytes };
    }
    return undefined;
  }

  apply(records: Uint8Array): Applied {
    let refused = 0;
    const missing: Uint8Array[] = [];
    for (const line of decode(records)) {
      const outcome = this.#apply(line);
      if (outcome === 'refused') refused++;
      if (outcome === 'missing') missing.push(encode([line]));
    }
    return { refused, missing };
  }

  scan(cursor: number, slots: SlotSet, newerThan: bigint): ScanPage {
    const keys = [...new Set([...this.entries.keys(), ...this.tombstones.keys()])].sort();
    const page = keys.slice(cursor, cursor + PAGE_ENTRIES);
    const lines: Line[] = [];
    for (const key of page) {
      if (!slots.has(slotOfKey(key))) continue;
      const entry = this.entryOf(key);
      const tombstone = this.#tombstoneOf(key);
      if (entry && entry.stamp > newerThan) lines.push(lineOf(key, entry));
      else if (tombstone !== undefined && tombstone > newerThan) {
        lines.push({ kind: 'del', key, stamp: String(tombstone) });
      }
    }
    const next = cursor + PAGE_ENTRIES;
    return { cursor: next < keys.length ? next : 0, records: encode(lines) };
  }

  async digests(notNewerThan: bigint): Promise<BigUint64Array> {
    const digests = new BigUint64Array(SLOTS);
    for (const [key, { stamp }] of this.entries) {
      if (stamp <= notNewerThan && this.entryOf(key)) digests[slotOfKey(key)]! ^= mix(key, stamp);
    }
    return digests;
  }

  async keysOf(slots: SlotSet, notNewerThan: bigint): Promise<{ key: string; stamp: bigint }[]> {
    return [...this.entries]
      .filter(([key, { stamp }]) => slots.has(slotOfKey(key)) && stamp <= notNewerThan)
      .map(([key, { stamp }]) => ({ key, stamp }));
  }

  async drop(slots: SlotSet): Promise<void> {
    const keys = [...new Set([...this.entries.keys(), ...this.tombstones.keys()])];
    for (const key of keys) {
      if (!slots.has(slotOfKey(key))) continue;
      this.entries.delete(key);
      this.tombstones.delete(key);
      await this.#options.pause();
    }
  }

  readWhole(record: Uint8Array): WholeReader {
    const { key } = decode(record)[0]!;
    const entry = this.entryOf(key);
    const tombstone = this.#tombstoneOf(key);
    let pieces: Uint8Array[] = [];
    if (entry) {
      const { value } = entry;
      const whole = { ...lineOf(key, entry), kind: 'whole' as const };
      if (value instanceof Set) whole.value = [...value];
      // In two pieces, so that what is lost between them is met.
      const text = encode([whole]);
      const middle = Math.floor(text.length / 2);
      pieces = [text.subarray(0, middle), text.subarray(middle)];
    } else if (tombstone !== undefined) {
      pieces = [encode([{ kind: 'del', key, stamp: String(tombstone) }])];
    }
    return { next: () => pieces.shift() };
  }

  writeWhole(): WholeWriter {
    const pieces: Uint8Array[] = [];
    return {
      write: (piece) => pieces.push(piece),
      finish: () => {
        for (const line of decode(Buffer.concat(pieces))) this.#apply(line);
        return true;
      },
      abandon: () => {},
    };
  }

  positionOf(key: Uint8Array): LogPosition {
    const stream = this.#streamOf(Buffer.from(key).toString());
    return { stream, seq: this.#next[stream]! };
  }

  evictions(): number {
    return 0;
  }

  stamp(): bigint {
    const wall = stampAt(this.#options.now());
    return max(wall, this.#clock);
  }

  raiseClock(stamp: bigint): void {
    if (stamp > this.#clock) this.#clock = stamp;
  }

  *#linksOf(key: string): Generator<number> {
    const first = 2 * slotOfKey(key);
    for (const word of [0, 1]) {
      let bits = this.#links[first + word]!;
      for (; bits !== 0; bits &= bits - 1) yield 32 * word + 31 - Math.clz32(bits & -bits);
    }
  }

  #nextStamp(): bigint {
    const counted = (this.stamp() >> NODE_BITS) + 1n;
    this.#clock = (counted << NODE_BITS) | BigInt(this.#options.node);
    return this.#clock;
  }

  /** What is there of a key, unless it has expired. */
  entryOf(key: string): Entry | undefined {
    const entry = this.entries.get(key);
    return entry && (entry.expiryMs === 0 || entry.expiryMs > this.#options.now())
      ? entry
      : undefined;
  }

  #tombstoneOf(key: string): bigint | undefined {
    const tombstone = this.tombstones.get(key);
    return tombstone && tombstone.untilMs > this.#options.now() ? tombstone.stamp : undefined;
  }

  #streamOf(key: string): number {
    return slotOfKey(`x${key}`) % STREAMS;
  }

  #log(line: Line, isRemote: boolean): void {
    const stream = this.#streamOf(line.key);
    const log = this.#logs[stream]!;
    log.push({ line, isRemote });
    if (log.length > this.#options.logRecords) log.shift();
    this.#next[stream]!++;
    this.onGrowth();
  }

  #put(kind: 'set', key: string, value: string | number, expiryMs: number): void {
    const stamp = this.#nextStamp();
    this.entries.set(key, { stamp, value, expiryMs });
    this.#log({ kind, key, stamp: String(stamp), value, expiryMs }, false);
  }

  #remove(key: string): void {
    const line: Line = { kind: 'del', key, stamp: String(this.#nextStamp()) };
    this.#bury(line);
    this.entries.delete(key);
    this.#log(line, false);
  }

  #change(op: 'sadd' | 'srem', key: string, member: string, entry: Entry | undefined): number {
    const isSet = entry?.value instanceof Set;
    const members = isSet ? (entry.value as Set<string>) : new Set<string>();
    if (members.has(member) === (op === 'sadd')) return 0;
    if (op === 'srem' && members.size === 1) {
      this.#remove(key);
      return 1;
    }
    const base = isSet ? entry.stamp : 0n;
    const stamp = this.#nextStamp();
    if (op === 'sadd') members.add(member);
    else members.delete(member);
    this.entries.set(key, { stamp, value: members, expiryMs: 0 });
    const line = { kind: op, key, stamp: String(stamp), base: String(base), value: member };
    this.#log(line, false);
    return 1;
  }

  #bury(line: Line): void {
    if (this.#options.bug === 'no-tombstones') return;
    const stamp = BigInt(line.stamp);
    const entry = this.entries.get(line.key);
    if (entry && entry.stamp < stamp) this.entries.delete(line.key);
    if ((this.#tombstoneOf(line.key) ?? 0n) >= stamp) return;
    const untilMs = this.#options.now() + this.#options.tombstoneMs;
    this.tombstones.set(line.key, { stamp, untilMs });
  }

  #apply(line: Line): 'applied' | 'refused' | 'missing' {
    const { key, kind } = line;
    const stamp = BigInt(line.stamp);
    const { bug } = this.#options;
    const entry = this.entries.get(key);
    const newest = max(entry?.stamp ?? 0n, this.#tombstoneOf(key) ?? 0n);
    if (bug !== 'last-to-come-wins') {
      if (newest > stamp) return 'refused';
      if (newest === stamp) return 'applied';
    }
    if (kind === 'sadd' || kind === 'srem') {
      const isSet = entry?.value instanceof Set;
      const base = isSet ? entry.stamp : 0n;
      if (bug !== 'effects-without-base' && base !== BigInt(line.base!)) return 'missing';
      const members = new Set(isSet ? (entry.value as Set<string>) : []);
      if (kind === 'sadd') members.add(line.value as string);
      else members.delete(line.value as string);
      this.entries.set(key, { stamp, value: members, expiryMs: 0 });
    } else if (kind === 'del') {
      this.#bury(line);
      this.entries.delete(key);
    } else if (kind === 'set' && line.value === undefined) {
      return 'missing';
    } else {
      const value = Array.isArray(line.value) ? new Set(line.value) : line.value;
      this.entries.set(key, {
        stamp,
        value: value as Entry['value'],
        expiryMs: line.expiryMs ?? 0,
      });
    }
    this.raiseClock(stamp);
    this.#log(line, true);
    return 'applied';
  }
}

/** A set is told of without its members. */
function lineOf(key: string, { stamp, value, expiryMs }: Entry): Line {
  const line: Line = { kind: 'set', key, stamp: String(stamp), expiryMs };
  if (!(value instanceof Set)) line.value = value;
  return line;
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

/** A digest of one entry. */
function mix(key: string, stamp: bigint): bigint {
  let hash = BigInt.asUintN(64, stamp * 0x9e3779b97f4a7c15n);
  for (const byte of Buffer.from(key)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return hash;
}
