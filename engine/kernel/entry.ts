/*
 * A chunk holds an entry, a piece of a chained entry, a block of records (records.ts), a part of the
 * side table (eviction/sidetable.ts), or nothing. Byte 4 tells which, for whoever walks a page.
 *
 * Entry:
 *   +0  valueBytes  u16   bytes of the value (msgpack, as the client sent it); CHAINED: 0, see below
 *   +2  keyBytes    u16
 *   +4  kind        u8    CHUNK_BLOB, or what sort of collection the value is: CHUNK_LIST and so on
 *   +5  flags       u8    which of the optional fields follow, at any alignment
 *   +6  expiry      i48   HAS_EXPIRY: Unix time in ms from which on the entry is gone
 *       wheelSlot   u8    the slot of the wheel that has the entry's record, 0: none yet (wheel.ts)
 *       wheelPass   u8    the last pass of trimming that met the record, 0: none
 *       version     u64   HAS_VERSION: see below
 *       key         keyBytes                 (none with LONG_KEY)
 *       value       valueBytes               (CHAINED: a link instead)
 * Fields that an entry does not use cost nothing: 16-byte key, 32-byte value and no TTL fit a chunk of 56 bytes.
 *
 * A PENDING entry is of a write of several keys that may come to nothing yet (pending.ts); nobody but that writer sees
 * it. Or it is a tombstone (tombstones.ts), or a half of a key that is made of what another node has (whole.ts).
 *
 * The key of a NAMESPACED entry begins with its namespace and epoch (namespaces.ts). No other entry has the same key:
 * a key is its bytes and that flag, which lookups are given as one word, a `KeyWord`.
 *
 * A CHAINED entry keeps its value in pieces; with LONG_KEY its key too, before the value. Chains of more than
 * LARGE_BYTES are made of pieces of a whole page, which never move; others of pieces of up to MAX_CHUNK.
 *
 * The value of a COLLECTION is packed, that is a body that stands where other values do; or it is ROOTED, and a root
 * stands there that leads to nodes, chunks of their own (collections/). Neither is ever CHAINED.
 *
 * Link:
 *   +0  first       u32   address of the first piece
 *   +4  hash        u32   the key's
 *   +8  valueBytes  u32
 *   +12 chain       u64   a number that no other chain of the partition ever had, and this one only as it is: same
 *                         number, same bytes
 * Piece:
 *   +0  next        u32   address of the next piece, 0: last
 *   +4  kind        u8    CHUNK_PIECE
 *   +8  previous    u32   the piece before this one; for the first piece the entry
 *   +12 bytes       u32   payload bytes here
 *   +16 payload
 *
 * Free chunk: +0 u32 next free chunk of the page, +4 kind CHUNK_FREE.
 *
 * Versions are lazy. GETV gives an entry its version field, and every later write of that entry a new version from its
 * partition's counter, which starts at the time of the arena's creation and never repeats; in a namespace from the
 * arena's, because there a key comes to another partition at each clear. An entry without the field was created after
 * any version of its key was handed out, so no version anybody holds can be equal: IFVERSION fails, rightly.
 */
import { Address, PAGE_BYTES } from './layout';
import { copyBytes, equalBytes } from './bytes';
import { hashKey } from './hash';

export const CHUNK_FREE: u8 = 0;
export const CHUNK_BLOB: u8 = 1;
export const CHUNK_LIST: u8 = 2;
export const CHUNK_SET: u8 = 3;
export const CHUNK_HASH: u8 = 4;
export const CHUNK_ZSET: u8 = 5;
/** Not what a key has, but that it has nothing any more (tombstones.ts). */
export const CHUNK_TOMBSTONE: u8 = 6;
const ENTRY_KINDS: u32 = 6;
export const CHUNK_PIECE: u8 = 0xff;
export const CHUNK_RECORDS: u8 = 0xfe;
export const CHUNK_TABLE: u8 = 0xfd;
export const CHUNK_NODE: u8 = 0xfc;

export const HAS_EXPIRY: u8 = 1;
export const HAS_VERSION: u8 = 2;
export const CHAINED: u8 = 4;
export const LONG_KEY: u8 = 8;
export const NAMESPACED: u8 = 16;
/** Not the key's entry yet, but beside it: see `PENDING_KEY`. */
export const PENDING: u8 = 64;
export const COLLECTION: u8 = 32;
export const ROOTED: u8 = 128;

/** Whether a chunk of this kind is an entry. */
@inline
export function isEntryKind(kind: u32): bool {
  return kind - 1 < ENTRY_KINDS;
}

/** Where a root (collections/root.ts) has the bytes of its items. */
export const ROOT_ITEM_BYTES: u32 = 4;

export const ENTRY_FIXED_BYTES: u32 = 6;
export const PIECE_FIXED_BYTES: u32 = 16;
/** Longer keys go into the chain: the head of a chained entry stays within one chunk. */
export const MAX_INLINE_KEY: u32 = 2048;
/** Bytes that stand for the chained payload in the head. */
export const CHAIN_LINK_BYTES: u32 = 20;
const LINK_HASH: u32 = 4;
export const LINK_VALUE_BYTES: u32 = 8;
const LINK_CHAIN: u32 = 12;
/** Payload of a piece that is a whole page. */
export const PAGE_PAYLOAD: u32 = PAGE_BYTES - PIECE_FIXED_BYTES;

@unmanaged
export class Entry {
  /** Not for entries that may be chained: `valueBytesOf`. */
  valueBytes: u16;
  keyBytes: u16;
  kind: u8;
  flags: u8;
}

@unmanaged
export class Piece {
  next: Address;
  kind: u8;
  spare: u8;
  unused: u16;
  previous: Address;
  bytes: u32;
}

/** The length of a key in bytes, and NAMESPACED_KEY where it is a namespace's: what stands in an entry's header. */
export type KeyWord = u32;

const KEY_BYTES_MASK: u32 = 0xffff;
/** Of the word that begins with the field `keyBytes`, whose highest byte are the flags. */
export const NAMESPACED_KEY: KeyWord = <u32>NAMESPACED << 24;
/**
 * Of the word of a key whose entry is pending (pending.ts): lookups of the key itself do not find it, those with this
 * flag find no other. It is in no key that comes from outside, and, but for tombstones and halves, in no entry when its
 * partition is unlocked.
 */
export const PENDING_KEY: KeyWord = <u32>PENDING << 24;
const KEY_WORD_MASK: u32 = KEY_BYTES_MASK | NAMESPACED_KEY | PENDING_KEY;

@inline
export function lengthOf(keyWord: KeyWord): u32 {
  return keyWord & KEY_BYTES_MASK;
}

@inline
export function isNamespaced(keyWord: KeyWord): bool {
  return (keyWord & NAMESPACED_KEY) != 0;
}

/** The flag of an entry with such a key. */
@inline
export function flagsOfKey(keyWord: KeyWord): u32 {
  return keyWord >> 24;
}

/** Of the entry at an address. */
@inline
export function keyWordOf(address: Address): KeyWord {
  return load<u32>(address, offsetof<Entry>('keyBytes')) & KEY_WORD_MASK;
}

@inline
export function entryAt(address: Address): Entry {
  return changetype<Entry>(address);
}

@inline
export function pieceAt(address: Address): Piece {
  return changetype<Piece>(address);
}

/** Bytes before the key: the fixed header and the optional fields. */
@inline
export function fieldsBytes(flags: u32): u32 {
  // HAS_EXPIRY is bit 0, HAS_VERSION bit 1: 8 bytes each.
  return ENTRY_FIXED_BYTES + ((flags & 1) << 3) + ((flags & 2) << 2);
}

@inline
export function keyAddress(address: Address, flags: u32): Address {
  return address + fieldsBytes(flags);
}

@inline
export function inlineKeyBytes(entry: Entry): u32 {
  return entry.flags & LONG_KEY ? 0 : <u32>entry.keyBytes;
}

/** Where the value stands in the chunk, or for a chained entry its link. */
@inline
export function valueAddress(address: Address, entry: Entry): Address {
  return keyAddress(address, entry.flags) + inlineKeyBytes(entry);
}

/** Only with CHAINED. */
@inline
export function chainedValueBytes(address: Address, entry: Entry): u32 {
  return load<u32>(valueAddress(address, entry), LINK_VALUE_BYTES);
}

@inline
export function valueBytesOf(address: Address, entry: Entry): u32 {
  return entry.flags & (CHAINED | ROOTED) ? farValueBytes(address, entry) : <u32>entry.valueBytes;
}

function farValueBytes(address: Address, entry: Entry): u32 {
  if (entry.flags & CHAINED) return chainedValueBytes(address, entry);
  return load<u32>(valueAddress(address, entry), ROOT_ITEM_BYTES);
}

/** Bytes of the chunk that the entry fills. */
@inline
export function entryBytes(entry: Entry): u32 {
  const payload = entry.flags & CHAINED ? CHAIN_LINK_BYTES : <u32>entry.valueBytes;
  return fieldsBytes(entry.flags) + inlineKeyBytes(entry) + payload;
}

@inline
export function expiryOf(address: Address): i64 {
  return (load<i64>(address, ENTRY_FIXED_BYTES) << 16) >> 16;
}

const EXPIRY_MASK: i64 = 0xffff_ffff_ffff;

/** Sets the expiry of an entry that the wheel knows nothing of. */
@inline
export function setExpiry(address: Address, expiryMs: i64): void {
  store<i64>(address, expiryMs & EXPIRY_MASK, ENTRY_FIXED_BYTES);
}

/** Sets another expiry, for which the entry's record does too. */
@inline
export function moveExpiry(address: Address, expiryMs: i64): void {
  const wheelFields = load<i64>(address, ENTRY_FIXED_BYTES) & ~EXPIRY_MASK;
  store<i64>(address, wheelFields | (expiryMs & EXPIRY_MASK), ENTRY_FIXED_BYTES);
}

const WHEEL_SLOT: u32 = ENTRY_FIXED_BYTES + 6;
const WHEEL_PASS: u32 = ENTRY_FIXED_BYTES + 7;

@inline
export function wheelSlotOf(address: Address): u32 {
  return load<u8>(address, WHEEL_SLOT);
}

@inline
export function setWheelSlot(address: Address, slot: u32): void {
  store<u8>(address, <u8>slot, WHEEL_SLOT);
}

@inline
export function wheelPassOf(address: Address): u32 {
  return load<u8>(address, WHEEL_PASS);
}

@inline
export function setWheelPass(address: Address, pass: u32): void {
  store<u8>(address, <u8>pass, WHEEL_PASS);
}

@inline
export function isExpired(address: Address, entry: Entry, nowMs: i64): bool {
  return (entry.flags & HAS_EXPIRY) != 0 && expiryOf(address) <= nowMs;
}

/** Only with HAS_VERSION. */
@inline
export function versionAddress(address: Address, flags: u32): Address {
  return address + ENTRY_FIXED_BYTES + ((flags & HAS_EXPIRY) << 3);
}

/** Only with CHAINED. The link is read as words at any alignment. */
@inline
export function firstPiece(address: Address, entry: Entry): Address {
  return load<u32>(valueAddress(address, entry));
}

/** Only with CHAINED. */
@inline
export function setFirstPiece(address: Address, entry: Entry, piece: Address): void {
  store<u32>(valueAddress(address, entry), piece);
}

/** Sets what stands in the link of a chained entry besides the first piece. */
@inline
export function describeChain(address: Address, entry: Entry, hash: u32, valueBytes: u32, chain: u64): void {
  const link = valueAddress(address, entry);
  store<u32>(link, hash, LINK_HASH);
  store<u32>(link, valueBytes, LINK_VALUE_BYTES);
  store<u64>(link, chain, LINK_CHAIN);
}

/** The number of an entry's chain; 0: it has none. */
@inline
export function chainOf(address: Address, entry: Entry): u64 {
  return entry.flags & CHAINED ? load<u64>(valueAddress(address, entry), LINK_CHAIN) : 0;
}

@inline
export function hashOfEntry(address: Address): u32 {
  const entry = entryAt(address);
  if (entry.flags & LONG_KEY) return load<u32>(valueAddress(address, entry), LINK_HASH);
  return hashKey(keyAddress(address, entry.flags), entry.keyBytes);
}

/** The first four bytes of an entry's key, which a NAMESPACED one has. */
@inline
export function keyPrefixOf(address: Address): u32 {
  const entry = entryAt(address);
  if (entry.flags & LONG_KEY) return load<u32>(firstPiece(address, entry), PIECE_FIXED_BYTES);
  return load<u32>(keyAddress(address, entry.flags));
}

/** Bytes of the chain before the value. */
@inline
export function chainSkip(entry: Entry): u32 {
  return entry.flags & LONG_KEY ? <u32>entry.keyBytes : 0;
}

/**
 * Copies `length` bytes of a chain from byte `skip` on to `target`. Bounded by `low` and `high`, within which pieces
 * lie, so that a reader without the lock may call it; false when the chain makes no sense (then something was written).
 */
export function copyFromChain(
  piece: Address,
  skip: u32,
  length: u32,
  target: Address,
  low: Address,
  high: Address,
): bool {
  while (length > 0) {
    if (piece < low || piece >= high) return false;
    const bytes = pieceAt(piece).bytes;
    if (bytes > high - piece) return false;
    if (skip >= bytes) {
      if (bytes == 0) return false;
      skip -= bytes;
    } else {
      const part = min<u32>(bytes - skip, length);
      copyBytes(target, piece + PIECE_FIXED_BYTES + skip, part);
      target += part;
      length -= part;
      skip = 0;
    }
    piece = pieceAt(piece).next;
  }
  return true;
}

/** Whether a chain begins with these bytes. Bounded as `copyFromChain`. */
export function chainStartsWith(
  piece: Address,
  bytes: Address,
  length: u32,
  low: Address,
  high: Address,
): bool {
  while (length > 0) {
    if (piece < low || piece >= high) return false;
    const part = min<u32>(pieceAt(piece).bytes, length);
    if (part == 0 || part > high - piece) return false;
    if (!equalBytes(piece + PIECE_FIXED_BYTES, bytes, part)) return false;
    bytes += part;
    length -= part;
    piece = pieceAt(piece).next;
  }
  return true;
}
