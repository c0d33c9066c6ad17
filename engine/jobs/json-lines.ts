/**
 * NDJSON straight to msgpack, without the objects in between: half the time of JSON.parse and
 * encoding what it returned. Reads what is common and leaves everything else to JSON.parse: texts
 * with escapes, numbers with exponents or more digits than a double is sure of, deep nesting, other
 * names than key, value and ttl, and everything wrong. So all that it takes, JSON.parse takes too,
 * with the same meaning.
 */
import { Buffer } from 'node:buffer';
import type { Packed } from '../codec.js';
import { Tag, writeFloat, writeInteger, writeStringHeader, writeUint16 } from '../msgpack.js';

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const LINE_BREAK = 0x0a;
const SPACE = 0x20;

/** Deeper values are JSON.parse's. */
const MOST_DEPTH = 32;
/** Integers of so many digits are exact. */
const MOST_DIGITS = 15;
const MOST_NUMBER_BYTES = 24;
/** `1.5,` has 4 bytes, and 9 as msgpack; nothing grows more. */
const GROWTH = 3;
const SLACK_BYTES = 16;
/** Up to this many bytes a loop beats a call of `copy`. */
const LOOP_BYTES = 32;

/** The position of what is left to JSON.parse. */
const NOT_HERE = -1;

/** Reads lines; one is reused. What it found holds until the next one. */
export class JsonLines {
  /** Where the key of the line stands in the bytes. */
  keyStart = 0;
  keyEnd = 0;
  /** The value of the line. */
  readonly value: Packed = { bytes: Buffer.alloc(0), start: 0, end: 0, hasRecords: false };
  /** The time to live in ms; undefined where the line has none. */
  ttlMs: number | undefined;
  #bytes: Buffer = Buffer.alloc(0);
  #end = 0;
  #out = Buffer.alloc(0);
  #to = 0;

  /** Begins with other bytes, which are UTF-8. */
  open(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#end = bytes.length;
    const most = GROWTH * bytes.length + SLACK_BYTES;
    if (this.#out.length < most) this.#out = Buffer.allocUnsafeSlow(most);
    this.value.bytes = this.#out;
  }

  /**
   * Reads the line that begins at `at`.
   * @returns where it ends, at its line break or with the bytes; -1: JSON.parse must read it
   */
  read(at: number): number {
    const bytes = this.#bytes;
    this.keyEnd = 0;
    this.value.end = 0;
    this.ttlMs = undefined;
    at = this.#skip(at);
    if (bytes[at] !== OPEN_OBJECT) return NOT_HERE;
    do {
      at = this.#member(this.#skip(at + 1));
      if (at < 0) return NOT_HERE;
    } while (bytes[at] === COMMA);
    if (bytes[at] !== CLOSE_OBJECT || this.keyEnd === 0 || this.value.end === 0) return NOT_HERE;
    at = this.#skip(at + 1);
    return at === this.#end || bytes[at] === LINE_BREAK ? at : NOT_HERE;
  }

  /** One of the line's own members; where the comma or brace behind it is. */
  #member(at: number): number {
    const nameEnd = this.#textEnd(at);
    if (nameEnd < 0) return NOT_HERE;
    const name = at + 1;
    const length = nameEnd - name;
    at = this.#skip(nameEnd + 1);
    if (this.#bytes[at] !== COLON) return NOT_HERE;
    at = this.#skip(at + 1);
    // A name that comes twice is none of what is common.
    if (length === 3 && this.keyEnd === 0 && this.#isWord(name, 'key')) at = this.#key(at);
    else if (length === 5 && this.value.end === 0 && this.#isWord(name, 'value'))
      at = this.#value(at);
    else if (length === 3 && this.ttlMs === undefined && this.#isWord(name, 'ttl'))
      at = this.#ttl(at);
    else return NOT_HERE;
    return at < 0 ? NOT_HERE : this.#skip(at);
  }

  #key(at: number): number {
    const end = this.#textEnd(at);
    if (end < 0) return NOT_HERE;
    this.keyStart = at + 1;
    this.keyEnd = end;
    return end + 1;
  }

  #ttl(at: number): number {
    const end = this.#digitsEnd(at);
    if (end === at || end - at > MOST_DIGITS || (this.#bytes[at] === ZERO && end > at + 1)) {
      return NOT_HERE;
    }
    this.ttlMs = Number(this.#bytes.toString('latin1', at, end));
    return end;
  }

  #value(at: number): number {
    this.#to = 0;
    const end = this.#any(at, 0);
    this.value.end = this.#to;
    return end;
  }

  /** Any value; where it ends. */
  #any(at: number, depth: number): number {
    const first = this.#bytes[at]!;
    if (first === QUOTE) return this.#text(at);
    if (first === MINUS || (first >= ZERO && first <= NINE)) return this.#number(at);
    if (first === OPEN_OBJECT) return depth < MOST_DEPTH ? this.#object(at, depth) : NOT_HERE;
    if (first === OPEN_LIST) return depth < MOST_DEPTH ? this.#list(at, depth) : NOT_HERE;
    if (this.#isWord(at, 'null')) return this.#tag(Tag.NIL, at + 4);
    if (this.#isWord(at, 'true')) return this.#tag(Tag.TRUE, at + 4);
    if (this.#isWord(at, 'false')) return this.#tag(Tag.FALSE, at + 5);
    return NOT_HERE;
  }

  #object(at: number, depth: number): number {
    const header = this.#to++;
    let items = 0;
    at = this.#skip(at + 1);
    if (this.#bytes[at] !== CLOSE_OBJECT) {
      for (;;) {
        at = this.#bytes[at] === QUOTE ? this.#text(at) : NOT_HERE;
        if (at < 0) return NOT_HERE;
        at = this.#skip(at);
        if (this.#bytes[at] !== COLON) return NOT_HERE;
        at = this.#any(this.#skip(at + 1), depth + 1);
        if (at < 0) return NOT_HERE;
        items++;
        at = this.#skip(at);
        if (this.#bytes[at] !== COMMA) break;
        at = this.#skip(at + 1);
      }
      if (this.#bytes[at] !== CLOSE_OBJECT) return NOT_HERE;
    }
    return this.#close(header, items, Tag.FIXMAP, Tag.MAP16) ? at + 1 : NOT_HERE;
  }

  #list(at: number, depth: number): number {
    const header = this.#to++;
    let items = 0;
    at = this.#skip(at + 1);
    if (this.#bytes[at] !== CLOSE_LIST) {
      for (;;) {
        at = this.#any(at, depth + 1);
        if (at < 0) return NOT_HERE;
        items++;
        at = this.#skip(at);
        if (this.#bytes[at] !== COMMA) break;
        at = this.#skip(at + 1);
      }
      if (this.#bytes[at] !== CLOSE_LIST) return NOT_HERE;
    }
    return this.#close(header, items, Tag.FIXARRAY, Tag.ARRAY16) ? at + 1 : NOT_HERE;
  }

  /** Writes the header of a container, for which one byte was left; false: it has too many items. */
  #close(header: number, items: number, shortTag: number, longTag: number): boolean {
    const out = this.#out;
    if (items < 16) {
      out[header] = shortTag | items;
      return true;
    }
    if (items > 0xffff) return false;
    out.copyWithin(header + 3, header + 1, this.#to);
    out[header] = longTag;
    writeUint16(items, out, header + 1);
    this.#to += 2;
    return true;
  }

  #text(at: number): number {
    const bytes = this.#bytes;
    const end = this.#textEnd(at);
    if (end < 0) return NOT_HERE;
    const length = end - at - 1;
    const out = this.#out;
    let to = writeStringHeader(length, out, this.#to);
    if (length > LOOP_BYTES) {
      to += bytes.copy(out, to, at + 1, end);
    } else {
      for (let i = at + 1; i < end; i++) out[to++] = bytes[i]!;
    }
    this.#to = to;
    return end + 1;
  }

  /** Where the quote is that ends the text which begins at `at`. */
  #textEnd(at: number): number {
    const bytes = this.#bytes;
    const end = this.#end;
    if (bytes[at] !== QUOTE) return NOT_HERE;
    for (let i = at + 1; i < end; i++) {
      const byte = bytes[i]!;
      if (byte === QUOTE) return i;
      if (byte === BACKSLASH || byte < SPACE) return NOT_HERE;
    }
    return NOT_HERE;
  }

  #number(at: number): number {
    const bytes = this.#bytes;
    const start = at;
    const isNegative = bytes[at] === MINUS;
    if (isNegative) at++;
    const digits = at;
    at = this.#digitsEnd(at);
    if (at === digits || (bytes[digits] === ZERO && at > digits + 1)) return NOT_HERE;
    let value = 0;
    if (bytes[at] === POINT) {
      const fraction = at + 1;
      at = this.#digitsEnd(fraction);
      if (at === fraction || at - start > MOST_NUMBER_BYTES) return NOT_HERE;
      value = Number(bytes.toString('latin1', start, at));
    } else {
      if (at - digits > MOST_DIGITS) return NOT_HERE;
      for (let i = digits; i < at; i++) value = value * 10 + (bytes[i]! - ZERO);
      if (isNegative) value = -value;
    }
    // What follows, such as the e of 1e5, is the caller's to refuse.
    this.#to = Number.isSafeInteger(value)
      ? writeInteger(value, this.#out, this.#to)
      : writeFloat(value, this.#out, this.#to);
    return at;
  }

  #digitsEnd(at: number): number {
    const bytes = this.#bytes;
    while (at < this.#end && bytes[at]! >= ZERO && bytes[at]! <= NINE) at++;
    return at;
  }

  #isWord(at: number, word: string): boolean {
    for (let i = 0; i < word.length; i++) {
      if (this.#bytes[at + i] !== word.charCodeAt(i)) return false;
    }
    return at + word.length <= this.#end;
  }

  #tag(tag: number, end: number): number {
    this.#out[this.#to++] = tag;
    return end;
  }

  /** Behind white space, but for line breaks. */
  #skip(at: number): number {
    const bytes = this.#bytes;
    for (; at < this.#end; at++) {
      const byte = bytes[at]!;
      if (byte !== SPACE && byte !== 0x09 && byte !== 0x0d) break;
    }
    return at;
  }
}
