/**
 * What nodes say to each other, but for gossip (membership/): msgpack arrays that begin with a kind
 * and the sender's id. The kinds are in the range that docs/PROTOCOL.md keeps for nodes.
 */
import { Packr, Unpackr } from 'msgpackr';

export const Kind = {
  /** Gossip, which membership/ reads by itself. */
  GOSSIP: 0x90,
  BATCH: 0x91,
  ACK: 0x92,
  PULL: 0x93,
  FETCH: 0x94,
  FETCHED: 0x95,
  LEVELS: 0x96,
  LEVELS_WANTED: 0x97,
  DIGESTS: 0x98,
  DIFFERING: 0x99,
  FORWARD: 0x9a,
  FORWARDED: 0x9b,
  CHECK: 0x9c,
  CHECKED: 0x9d,
} as const;

/** Records that are to be applied, in order; one of a session's numbered messages. */
export interface Batch {
  readonly kind: typeof Kind.BATCH;
  readonly from: string;
  /** Grows whenever the sender begins anew. */
  readonly session: number;
  /** From 1 on. */
  readonly number: number;
  /** The sender's clock. */
  readonly stamp: bigint;
  /** The last batch that the sender knows to be complete. */
  readonly heard: number;
  readonly records: Uint8Array;
  /** Pulls all of whose records have been sent. */
  readonly done: readonly number[];
}

/** How far a session's batches have come. */
export interface Ack {
  readonly kind: typeof Kind.ACK;
  readonly from: string;
  readonly session: number;
  /** The last batch that was applied, as all before it were. */
  readonly applied: number;
  /** The last batch all of whose keys are there, those too that had to be fetched. */
  readonly complete: number;
  /** Batches in which a record lost, as far as the sender has not heard. */
  readonly refused: readonly number[];
  /** Something of this session is lost here: the sender is to begin anew. */
  readonly isBroken: boolean;
}

/** Asks for what the receiver has of these slots. */
export interface Pull {
  readonly kind: typeof Kind.PULL;
  readonly from: string;
  readonly pull: number;
  readonly mode: number;
  /** What the receiver has said it has of these slots; with less it does not answer. */
  readonly level: number;
  readonly slots: Uint8Array;
}

/** How much is asked for. */
export const PullMode = {
  ALL: 0,
  /** What was written lately. */
  RECENT: 1,
  /** What is newer than what the sender is known to have. */
  CATCH_UP: 2,
} as const;

/** Asks for the key of a record as a whole. */
export interface Fetch {
  readonly kind: typeof Kind.FETCH;
  readonly from: string;
  readonly fetch: number;
  /** From this piece on. */
  readonly piece: number;
  readonly record: Uint8Array;
}

export interface Fetched {
  readonly kind: typeof Kind.FETCHED;
  readonly from: string;
  readonly fetch: number;
  readonly piece: number;
  readonly isLast: boolean;
  readonly bytes: Uint8Array;
}

/** What the sender has of each slot. */
export interface LevelsTold {
  readonly kind: typeof Kind.LEVELS;
  readonly from: string;
  readonly version: number;
  readonly levels: Uint8Array;
  /** Ids of dead members whose places others have, as the sender sees it. */
  readonly replaced: readonly string[];
}

export interface LevelsWanted {
  readonly kind: typeof Kind.LEVELS_WANTED;
  readonly from: string;
}

/** Digests of slots, of what is not newer than a stamp: 8 bytes for each bit of `slots`. */
export interface Digests {
  readonly kind: typeof Kind.DIGESTS;
  readonly from: string;
  readonly round: number;
  readonly stamp: bigint;
  readonly slots: Uint8Array;
  readonly digests: Uint8Array;
}

/** The slots whose digests were others. */
export interface Differing {
  readonly kind: typeof Kind.DIFFERING;
  readonly from: string;
  readonly round: number;
  readonly slots: Uint8Array;
}

/** A frame for another node to execute. */
export interface Forward {
  readonly kind: typeof Kind.FORWARD;
  readonly from: string;
  readonly request: number;
  /** The id of the node that is to execute it. Who gets it in its stead sees to it. */
  readonly target: string;
  /** Who asked first, and the number of the request there. */
  readonly origin: string;
  readonly asked: number;
  /** Unix time on the origin's clock. */
  readonly sentAtMs: number;
  /** How long the frame may wait for what it asks for. */
  readonly waitMs: number;
  /** Of the receiver, as the sender knows it (forward-receiver.ts). */
  readonly epoch: number;
  readonly frame: Uint8Array;
}

export interface Forwarded {
  readonly kind: typeof Kind.FORWARDED;
  readonly from: string;
  readonly request: number;
  /** The sender's. */
  readonly epoch: number;
  /** The request was of an epoch before, and was not run. */
  readonly isStale: boolean;
  /** Empty: nothing was done; this node does not take the keys, or the frame came too late. */
  readonly reply: Uint8Array;
}

/** Asks for digests of all slots, or for the keys of some, of what is not newer than a stamp. */
export interface Check {
  readonly kind: typeof Kind.CHECK;
  readonly from: string;
  readonly check: number;
  readonly stamp: bigint;
  readonly slots: Uint8Array;
  readonly isDetailed: boolean;
}

export interface Checked {
  readonly kind: typeof Kind.CHECKED;
  readonly from: string;
  readonly check: number;
  /** 8 bytes for each slot; or JSON of pairs of a key and its stamp. */
  readonly digests: Uint8Array;
}

export type Message =
  | Batch
  | Ack
  | Pull
  | Fetch
  | Fetched
  | LevelsTold
  | LevelsWanted
  | Digests
  | Differing
  | Forward
  | Forwarded
  | Check
  | Checked;

/** Fields in the order in which they are sent, and what each must be. */
const FIELDS = {
  [Kind.BATCH]: {
    session: 'count',
    number: 'count',
    stamp: 'stamp',
    heard: 'count',
    done: 'counts',
    records: 'bytes',
  },
  [Kind.ACK]: {
    session: 'count',
    applied: 'count',
    complete: 'count',
    refused: 'counts',
    isBroken: 'boolean',
  },
  [Kind.PULL]: { pull: 'count', mode: 'count', level: 'count', slots: 'slots' },
  [Kind.FETCH]: { fetch: 'count', piece: 'count', record: 'bytes' },
  [Kind.FETCHED]: { fetch: 'count', piece: 'count', isLast: 'boolean', bytes: 'bytes' },
  [Kind.LEVELS]: { version: 'count', levels: 'levels', replaced: 'texts' },
  [Kind.LEVELS_WANTED]: {},
  [Kind.DIGESTS]: {
    round: 'count',
    stamp: 'stamp',
    slots: 'slots',
    digests: 'bytes',
  },
  [Kind.DIFFERING]: { round: 'count', slots: 'slots' },
  [Kind.FORWARD]: {
    request: 'count',
    target: 'text',
    origin: 'text',
    asked: 'count',
    sentAtMs: 'count',
    waitMs: 'count',
    epoch: 'count',
    frame: 'bytes',
  },
  [Kind.FORWARDED]: { request: 'count', epoch: 'count', isStale: 'boolean', reply: 'bytes' },
  [Kind.CHECK]: { check: 'count', stamp: 'stamp', slots: 'slots', isDetailed: 'boolean' },
  [Kind.CHECKED]: { check: 'count', digests: 'bytes' },
} as const satisfies Record<number, Record<string, FieldType>>;

/** By kind: the fields as pairs of name and type. */
const LAYOUTS = new Map(
  Object.entries(FIELDS).map(([kind, fields]) => [
    Number(kind),
    Object.entries(fields) as [string, FieldType][],
  ]),
);

type FieldType =
  | 'count'
  | 'counts'
  | 'text'
  | 'texts'
  | 'bytes'
  | 'slots'
  | 'levels'
  | 'boolean'
  | 'stamp';

/** Kind and sender. */
const HEAD_FIELDS = 2;
const SLOT_SET_BYTES = 2048;
const LEVELS_BYTES = 4096;
const STAMP_BYTES = 8;
/** How msgpack begins a run of bytes of any length. */
const BIN_32 = 0xc6;
const BIN_32_HEAD_BYTES = 5;

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false });

/** The message as bytes that are nobody else's. */
export function encodeMessage(message: Message): Uint8Array {
  const values: unknown[] = [message.kind, message.from];
  const fields = message as unknown as Record<string, unknown>;
  for (const [name] of LAYOUTS.get(message.kind)!) {
    const value = fields[name];
    values.push(typeof value === 'bigint' ? stampBytes(value) : value);
  }
  return new Uint8Array(packr.pack(values));
}

/** The bytes of a batch's message before its records, of which there are so many bytes. */
export function batchHead(batch: Omit<Batch, 'kind' | 'records'>, recordBytes: number): Uint8Array {
  const { from, session, number, stamp, heard, done } = batch;
  const head = packr.pack([Kind.BATCH, from, session, number, stampBytes(stamp), heard, done]);
  const bytes = Buffer.allocUnsafe(head.length + BIN_32_HEAD_BYTES);
  bytes.set(head, 0);
  // One element more, which follows.
  bytes[0]!++;
  bytes[head.length] = BIN_32;
  bytes.writeUInt32BE(recordBytes, head.length + 1);
  return bytes;
}

/** The kind of a message, which may be none; -1: these bytes are no message. */
export function kindOf(bytes: Uint8Array): number {
  // An array of up to 15, and a number of two bytes.
  return (bytes[0]! & 0xf0) === 0x90 && bytes[1] === 0xcc ? bytes[2]! : -1;
}

/** The message in these bytes; what is wrong with them as text. */
export function decodeMessage(bytes: Uint8Array): Message | string {
  let values: unknown;
  try {
    values = unpackr.unpack(bytes);
  } catch (error) {
    return `no msgpack: ${error instanceof Error ? error.message : String(error)}`;
  }
  if (!Array.isArray(values) || typeof values[1] !== 'string') return 'no array with a sender';
  const [kind, from] = values as [unknown, string];
  const fields = LAYOUTS.get(kind as number);
  if (!fields) return `unknown kind ${String(kind)}`;
  const message: Record<string, unknown> = { kind, from };
  const given = values.length - HEAD_FIELDS;
  if (given < fields.length) return `kind ${kind} has ${given} fields`;
  let at = HEAD_FIELDS;
  for (const [name, type] of fields) {
    const value = read(type, values[at++]);
    if (value === undefined) return `kind ${kind}: ${name} is none`;
    message[name] = value;
  }
  return message as unknown as Message;
}

function read(type: FieldType, value: unknown): unknown {
  const bytes = value instanceof Uint8Array ? value : undefined;
  switch (type) {
    case 'count':
      return isCount(value) ? value : undefined;
    case 'counts':
      return Array.isArray(value) && value.every(isCount) ? value : undefined;
    case 'text':
      return isText(value) ? value : undefined;
    case 'texts':
      return Array.isArray(value) && value.every(isText) ? value : undefined;
    case 'bytes':
      return bytes;
    case 'slots':
      return bytes?.length === SLOT_SET_BYTES ? bytes : undefined;
    case 'levels':
      return bytes?.length === LEVELS_BYTES ? bytes : undefined;
    case 'boolean':
      return typeof value === 'boolean' ? value : undefined;
    case 'stamp':
      return bytes?.length === STAMP_BYTES ? Buffer.from(bytes).readBigUInt64BE() : undefined;
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function stampBytes(stamp: bigint): Uint8Array {
  const bytes = Buffer.alloc(STAMP_BYTES);
  bytes.writeBigUInt64BE(stamp);
  return bytes;
}
