/*
 * Parts of a value: bytes `from` on of an entry's value, wherever they lie, in its chunk or in the pieces of its chain.
 * Everything here runs under the partition's lock. What is written is nobody else's yet, or `overwriting` says so.
 */
import { copyBytes } from './bytes';
import {
  CHAINED,
  chainSkip,
  copyFromChain,
  entryAt,
  firstPiece,
  PIECE_FIXED_BYTES,
  pieceAt,
  valueAddress,
} from './entry';
import { Address, header } from './layout';
import { pageAddress } from './pages';

/* Where `seek` or `step` came: the piece (0: it is a chunk), the address, and the bytes there. Not state. */
let piece: Address = 0;
let at: Address = 0;
let left: u32 = 0;

/** Byte `from` of the entry's value. */
function seek(address: Address, from: u32): void {
  const entry = entryAt(address);
  if (!(entry.flags & CHAINED)) {
    piece = 0;
    at = valueAddress(address, entry) + from;
    left = u32.MAX_VALUE;
    return;
  }
  piece = firstPiece(address, entry);
  let skip = chainSkip(entry) + from;
  while (skip >= pieceAt(piece).bytes && pieceAt(piece).next != 0) {
    skip -= pieceAt(piece).bytes;
    piece = pieceAt(piece).next;
  }
  at = piece + PIECE_FIXED_BYTES + skip;
  left = pieceAt(piece).bytes - skip;
}

/** The beginning of the next piece. */
function step(): void {
  piece = pieceAt(piece).next;
  at = piece + PIECE_FIXED_BYTES;
  left = pieceAt(piece).bytes;
}

/** Copies `length` bytes of the entry's value to `target`. */
export function readPart(address: Address, from: u32, target: Address, length: u32): void {
  const entry = entryAt(address);
  if (!(entry.flags & CHAINED)) {
    copyBytes(target, valueAddress(address, entry) + from, length);
    return;
  }
  const low = pageAddress(header().firstPage);
  copyFromChain(firstPiece(address, entry), chainSkip(entry) + from, length, target, low, header().endAddress);
}

/** Writes `length` bytes of the entry's value; `source` 0: zeros. They may lie in the value itself. */
export function writePart(address: Address, from: u32, source: Address, length: u32): void {
  if (length == 0) return;
  seek(address, from);
  while (true) {
    const part = min<u32>(left, length);
    if (source == 0) {
      memory.fill(at, 0, part);
    } else {
      memory.copy(at, source, part);
      source += part;
    }
    length -= part;
    if (length == 0) return;
    step();
  }
}

/** Copies `length` bytes of the value of one entry into that of another one. */
export function copyPart(
  source: Address,
  sourceFrom: u32,
  target: Address,
  targetFrom: u32,
  length: u32,
): void {
  if (length == 0) return;
  seek(target, targetFrom);
  let targetPiece = piece;
  let targetAt = at;
  let targetLeft = left;
  seek(source, sourceFrom);
  while (true) {
    const part = min<u32>(min<u32>(left, targetLeft), length);
    copyBytes(targetAt, at, part);
    length -= part;
    if (length == 0) return;
    at += part;
    left -= part;
    targetAt += part;
    targetLeft -= part;
    if (left == 0) step();
    if (targetLeft == 0) {
      targetPiece = pieceAt(targetPiece).next;
      targetAt = targetPiece + PIECE_FIXED_BYTES;
      targetLeft = pieceAt(targetPiece).bytes;
    }
  }
}
