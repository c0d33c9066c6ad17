/**
 * What a key is as it travels from one node to another (whole-key.ts): pieces, each of sections.
 *
 *   section   +0  type   u8   HEAD, DATA, END or GIVEN_UP
 *             +1  more   u8   of DATA: 1: the items go on in the next one, which begins within one
 *             +4  bytes  u32  of the body that follows
 *   HEAD      +0  format u8   1
 *             +1  kind   u8   of the entry, as engine/kernel/entry.ts numbers it; 0: there is none
 *             +4  bytes  u32  of a value: so many follow
 *             +8  stamp  u64  of the entry, or of the key's tombstone; 0: there is neither
 *   DATA      of a value its bytes, else items as engine/kernel/types/building.ts gathers them
 *   END       +0  stamp  u64  as in HEAD
 *             +8  expiry f64  of the key, Unix time in ms; 0: it does not expire
 *
 * Numbers are little-endian. A reader who has to begin anew sends another HEAD: what came before
 * it is void. GIVEN_UP comes last instead of END: there was no single state to be had.
 */
import { Buffer } from 'node:buffer';
import { copyTo } from './copy.js';
import { SlabringError } from './errors.js';

export const Section = { HEAD: 1, DATA: 2, END: 3, GIVEN_UP: 4 } as const;

const FORMAT = 1;
const SECTION_HEAD = 8;
const MORE = 1;
const BODY_BYTES = 4;
const HEAD_BYTES = 16;
const END_BYTES = 16;

/** What HEAD says. */
export interface WholeHead {
  readonly kind: number;
  readonly bytes: number;
  readonly stamp: bigint;
}

/** What END says. */
export interface WholeEnd {
  readonly stamp: bigint;
  readonly expiryMs: number;
}

export function headSection({ kind, bytes, stamp }: WholeHead): Buffer {
  const section = newSection(Section.HEAD, HEAD_BYTES);
  section[SECTION_HEAD] = FORMAT;
  section[SECTION_HEAD + 1] = kind;
  section.writeUInt32LE(bytes, SECTION_HEAD + 4);
  section.writeBigUInt64LE(stamp, SECTION_HEAD + 8);
  return section;
}

/** @param more whether an item goes on in the next section */
export function dataSection(content: Uint8Array, more: boolean): Buffer {
  const section = Buffer.allocUnsafe(SECTION_HEAD + content.length);
  writeSectionHead(section, Section.DATA, content.length);
  section[MORE] = Number(more);
  copyTo(section, content, SECTION_HEAD);
  return section;
}

export function endSection({ stamp, expiryMs }: WholeEnd): Buffer {
  const section = newSection(Section.END, END_BYTES);
  section.writeBigUInt64LE(stamp, SECTION_HEAD);
  section.writeDoubleLE(expiryMs, SECTION_HEAD + 8);
  return section;
}

export function givenUpSection(): Buffer {
  return newSection(Section.GIVEN_UP, 0);
}

function newSection(type: number, bytes: number): Buffer {
  const section = Buffer.alloc(SECTION_HEAD + bytes);
  writeSectionHead(section, type, bytes);
  return section;
}

function writeSectionHead(section: Buffer, type: number, bytes: number): void {
  section.fill(0, 0, SECTION_HEAD);
  section[0] = type;
  section.writeUInt32LE(bytes, BODY_BYTES);
}

/** A section as it was read; `body` is a part of the piece. */
export interface WholeSection {
  readonly type: number;
  readonly more: boolean;
  readonly body: Buffer;
}

/**
 * The sections of a piece.
 * @throws SlabringError `SYNTAX` where it is none
 */
export function* sectionsOf(piece: Uint8Array): Generator<WholeSection> {
  const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.length);
  for (let at = 0; at < bytes.length; ) {
    const start = at + SECTION_HEAD;
    const end = start > bytes.length ? 0 : start + bytes.readUInt32LE(at + BODY_BYTES);
    if (end === 0 || end > bytes.length) throw malformed('ends inside a section');
    yield { type: bytes[at]!, more: bytes[at + MORE] !== 0, body: bytes.subarray(start, end) };
    at = end;
  }
}

/** @throws SlabringError `SYNTAX` */
export function readHead(body: Buffer): WholeHead {
  if (body.length !== HEAD_BYTES) throw malformed('has a head of another length');
  if (body[0] !== FORMAT) throw malformed(`is of format ${body[0]}, not ${FORMAT}`);
  return { kind: body[1]!, bytes: body.readUInt32LE(4), stamp: body.readBigUInt64LE(8) };
}

/** @throws SlabringError `SYNTAX` */
export function readEnd(body: Buffer): WholeEnd {
  if (body.length !== END_BYTES) throw malformed('has an end of another length');
  return { stamp: body.readBigUInt64LE(0), expiryMs: body.readDoubleLE(8) };
}

export function malformed(what: string): SlabringError {
  return new SlabringError('SYNTAX', `a piece of a key that another node sent ${what}`);
}
