/**
 * Messages of membership as bytes: msgpack arrays.
 *
 *   message   [0x90, kind, stamp, sender, number, target, [news...]]
 *   record    [state, name, id, startedAtMs, incarnation, address, clientUrl, zone, weight, meta]
 *   claim     [state, name, id, startedAtMs, incarnation, by]
 *
 * A piece of news is a record, with all that a member says of itself, or a claim of another node
 * about it. `stamp` is the sender's hybrid clock, 64 bits; `sender` and `target` are ids (`target`
 * empty where there is none); an answer has the number of what it answers. `zone` may be empty.
 * News comes last: each piece is packed once and copied into many messages.
 */
import { Packr, Unpackr } from 'msgpackr';
import { SlabringError } from '../../../engine/errors.js';
import { show } from '../../../engine/units.js';
import type { Claim, Identity, Member, MemberState } from './member.js';
import { MEMBER_STATES } from './member.js';

/** What begins every message of membership, so that a link can tell them from others. */
export const MEMBERSHIP_KIND = 0x90;

/** A number on the wire is the place in this list. Append only. */
export const KINDS = [
  /** Do you live, `target`? */
  'ping',
  /** I do; or: the one does that you asked me to ask. */
  'ack',
  /** The one does not answer that you asked me to ask; but I do. */
  'nack',
  /** Ask `target` in my stead. */
  'pingRequest',
  /** News, no more. */
  'gossip',
  /** All that I know; tell me all that you know. */
  'syncRequest',
  /** The answer to it. */
  'syncReply',
] as const;
export type Kind = (typeof KINDS)[number];

export type News = Member | Claim;

export interface Message {
  readonly kind: Kind;
  readonly stamp: bigint;
  readonly sender: string;
  readonly number: number;
  readonly target: string;
  readonly news: readonly News[];
}

/**
 * The longest message but a sync, so that it fits into one packet of an Ethernet with room for the
 * headers of links.
 */
export const MESSAGE_BYTES_MAX = 1400;
/** The longest sync read: 30,000 members of the largest size, of which there are none. */
export const SYNC_BYTES_MAX = 32 * 1024 * 1024;
/** A version number and its kind: more belongs elsewhere, as every node keeps and passes it on. */
export const META_BYTES_MAX = 256;
/**
 * The longest texts, in UTF-8: host names have up to 253 characters, and a record must fit into one
 * message beside a header.
 */
export const NAME_BYTES_MAX = 128;
export const ID_BYTES_MAX = 64;
export const ADDRESS_BYTES_MAX = 270;
export const URL_BYTES_MAX = 300;
export const ZONE_BYTES_MAX = 64;
/** Weights are shares, such as gigabytes: a node of more is a mistake. */
export const WEIGHT_MAX = 1_000_000;

const RECORD_LENGTH = 10;
const CLAIM_LENGTH = 6;
const MESSAGE_LENGTH = 7;
const NIL_BYTES = 1;
const ARRAY16 = 0xdc;
const ARRAY32 = 0xdd;
/** Of an array with 32 bits of length. */
const ARRAY_HEADER_BYTES = 5;
const ARRAY16_MAX = 0xffff;
const NO_META = new Uint8Array(0);

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

/** What a message says is not what a node would say. */
class Malformed extends Error {}

export function isClaim(news: News): news is Claim {
  return 'by' in news;
}

export function packNews(news: News): Uint8Array {
  const state = MEMBER_STATES.indexOf(news.state);
  const start = [state, news.name, news.id, news.startedAtMs, news.incarnation];
  if (isClaim(news)) return packr.pack([...start, news.by]);
  const { address, clientUrl, zone, weight, meta } = news;
  return packr.pack([...start, address, clientUrl, zone ?? '', weight, meta]);
}

/** The message without news: `withNews` adds it. */
export function packHeader(header: Omit<Message, 'news'>): Uint8Array {
  const { kind, stamp, sender, number, target } = header;
  return packr.pack([
    ...[MEMBERSHIP_KIND, KINDS.indexOf(kind), BigInt.asIntN(64, stamp), sender, number, target],
    null,
  ]);
}

/** Bytes that news may take beside a header. */
export function roomBeside(header: Uint8Array): number {
  return MESSAGE_BYTES_MAX - (header.length - NIL_BYTES) - ARRAY_HEADER_BYTES;
}

/** A whole message of a header and packed news. */
export function withNews(header: Uint8Array, news: readonly Uint8Array[]): Uint8Array {
  const isShort = news.length <= ARRAY16_MAX;
  const start = header.length - NIL_BYTES;
  const lengthBytes = isShort ? 3 : ARRAY_HEADER_BYTES;
  const newsBytes = news.reduce((sum, { length }) => sum + length, 0);
  const bytes = new Uint8Array(start + lengthBytes + newsBytes);
  bytes.set(header.subarray(0, start));
  bytes[start] = isShort ? ARRAY16 : ARRAY32;
  const view = new DataView(bytes.buffer);
  if (isShort) view.setUint16(start + 1, news.length);
  else view.setUint32(start + 1, news.length);
  let at = start + lengthBytes;
  for (const piece of news) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/**
 * Reads a message.
 * @returns a text: what is wrong with it
 */
export function unpackMessage(bytes: Uint8Array): Message | string {
  if (bytes.length > SYNC_BYTES_MAX) return `it has ${bytes.length} bytes`;
  try {
    return readMessage(unpackr.unpack(bytes));
  } catch (error) {
    // Whatever msgpackr makes of bytes that are no msgpack: a peer's fault, not ours.
    return error instanceof Error ? error.message : String(error);
  }
}

function readMessage(value: unknown): Message {
  const [family, kind, stamp, sender, number, target, news] = tuple(value, MESSAGE_LENGTH);
  if (family !== MEMBERSHIP_KIND) throw new Malformed(`it begins with ${show(family)}`);
  const name = KINDS[wholeNumber(kind, 'its kind')];
  if (name === undefined) throw new Malformed(`there is no kind ${show(kind)}`);
  if (!Array.isArray(news)) throw new Malformed(`its news is ${show(news)}`);
  return {
    kind: name,
    stamp: stampOf(stamp),
    sender: text(sender, ID_BYTES_MAX, 'its sender'),
    number: wholeNumber(number, 'its number'),
    target: optionalText(target, ID_BYTES_MAX, 'its target'),
    news: news.map(readNews),
  };
}

function readNews(value: unknown): News {
  const isRecord = Array.isArray(value) && value.length === RECORD_LENGTH;
  const fields = tuple(value, isRecord ? RECORD_LENGTH : CLAIM_LENGTH);
  const start = {
    state: stateOf(fields[0]),
    name: text(fields[1], NAME_BYTES_MAX, 'a name'),
    id: text(fields[2], ID_BYTES_MAX, 'an id'),
    startedAtMs: wholeNumber(fields[3], 'a start'),
    incarnation: wholeNumber(fields[4], 'an incarnation'),
  };
  if (!isRecord) return { ...start, by: text(fields[5], NAME_BYTES_MAX, 'an accuser') };
  const zone = optionalText(fields[7], ZONE_BYTES_MAX, 'a zone');
  return {
    ...start,
    address: text(fields[5], ADDRESS_BYTES_MAX, 'an address'),
    clientUrl: optionalText(fields[6], URL_BYTES_MAX, 'a client URL'),
    ...(zone !== '' && { zone }),
    weight: weightOf(fields[8]),
    meta: metaOf(fields[9]),
  };
}

function tuple(value: unknown, length: number): readonly unknown[] {
  if (Array.isArray(value) && value.length === length) return value;
  throw new Malformed(`${show(value)} is no array of ${length}`);
}

function stampOf(value: unknown): bigint {
  if (typeof value === 'bigint') return BigInt.asUintN(64, value);
  throw new Malformed(`its stamp is ${show(value)}`);
}

function wholeNumber(value: unknown, what: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new Malformed(`${what} is ${show(value)}`);
}

function optionalText(value: unknown, bytesMax: number, what: string): string {
  // A character has one byte at least: long texts need no look at their bytes.
  if (
    typeof value === 'string' &&
    value.length <= bytesMax &&
    (value.length * 3 <= bytesMax || Buffer.byteLength(value) <= bytesMax)
  ) {
    return value;
  }
  throw new Malformed(`${what} is ${show(value)}`);
}

function text(value: unknown, bytesMax: number, what: string): string {
  const read = optionalText(value, bytesMax, what);
  if (read === '') throw new Malformed(`${what} is empty`);
  return read;
}

function stateOf(value: unknown): MemberState {
  const state = MEMBER_STATES[wholeNumber(value, 'a state')];
  if (state === undefined) throw new Malformed(`there is no state ${show(value)}`);
  return state;
}

function weightOf(value: unknown): number {
  if (typeof value === 'number' && value > 0 && value <= WEIGHT_MAX) return value;
  throw new Malformed(`a weight is ${show(value)}`);
}

function metaOf(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length > META_BYTES_MAX) {
    throw new Malformed(`a meta is ${show(value)}`);
  }
  // Not a view on the message, which would be kept along with it.
  return value.length === 0 ? NO_META : Uint8Array.from(value);
}

/**
 * Refuses what other nodes would not read.
 * @throws SlabringError that says which part is wrong, and what is allowed
 */
export function checkIdentity(self: Identity, meta: Uint8Array): void {
  const member: Member = { ...self, incarnation: 0, state: 'alive', meta };
  try {
    readNews(unpackr.unpack(packNews(member)));
  } catch (error) {
    throw new SlabringError(
      'OPTION',
      `this node cannot be a member: ${(error as Error).message}; allowed are a name of 1 to ` +
        `${NAME_BYTES_MAX} bytes, an id of 1 to ${ID_BYTES_MAX}, an address of 1 to ` +
        `${ADDRESS_BYTES_MAX}, a clientUrl of up to ${URL_BYTES_MAX}, a zone of up to ` +
        `${ZONE_BYTES_MAX}, a weight above 0 and up to ${WEIGHT_MAX}, meta of up to ` +
        `${META_BYTES_MAX} bytes, startedAtMs from 0`,
      { cause: error },
    );
  }
}
