/*
 * Touching what a group of commands on large tables will read, before the first of them runs, so that their cache misses
 * overlap as those of other commands do (exec.ts): the word of the directory, then the node of the bucket. Without the
 * lock: what is read may be garbage, so addresses are followed only into pages, and nothing comes of it but time.
 */
import { touched } from '../bytes';
import { entryAt, isEntryKind, lengthOf, ROOTED } from '../entry';
import { hashKey } from '../hash';
import { Address, NOTHING } from '../layout';
import { bytesOf, lastLength, skipValue } from '../msgpack';
import { Staged, STAGED_BYTES } from '../staging';
import { bucketWord } from './directory';
import { isInPages } from './node';
import { ROOT_BUCKETS, rootOf } from './root';
import { bucketOfHash } from './table';

/** Codes of commands on sets, hashes and sorted sets. */
const FIRST_CODE: u32 = 0x40;
const END_CODE: u32 = 0x70;
const ZADD: u32 = 0x60;
const ZINCRBY: u32 = 0x64;

/** Smaller tables are in the caches, if they are used at all. */
const LEAST_BUCKETS: u32 = 256;

/** Whether a command may be about one member of a table. */
@inline
export function mayTouchAhead(code: u32): bool {
  return code - FIRST_CODE < END_CODE - FIRST_CODE;
}

/** Lines of a node that are touched: most nodes have no more. */
const LINE_BYTES: u32 = 64;
const LINES: u32 = 5;

/** Touches ahead for the commands staged from `first` to `end`. */
export function touchTables(first: Address, end: Address): void {
  let sum: u32 = 0;
  for (let at = first; at < end; at += STAGED_BYTES) {
    const command = changetype<Staged>(at);
    command.ahead = mayTouchAhead(command.code) ? wordAhead(command) : NOTHING;
    sum += load<u32>(command.ahead);
  }
  for (let at = first; at < end; at += STAGED_BYTES) {
    const ahead = changetype<Staged>(at).ahead;
    if (ahead == NOTHING) continue;
    const node = load<u32>(ahead);
    if (!isInPages(node)) continue;
    for (let line: u32 = 0; line < LINES; line++) sum += load<u32>(node + line * LINE_BYTES);
  }
  touched(sum);
}

/** Where the address of the bucket stands that a command is about; NOTHING: it is about none, or a small table. */
function wordAhead(command: Staged): Address {
  if (command.slot == 0 || command.argCount < 2) return NOTHING;
  const entry = entryAt(command.entry);
  if (!(entry.flags & ROOTED) || !isEntryKind(entry.kind)) return NOTHING;
  const root = rootOf(command.entry);
  const buckets = load<u32>(root, ROOT_BUCKETS);
  if (buckets < LEAST_BUCKETS) return NOTHING;
  let at = command.key + lengthOf(command.keyWord);
  if (command.code == ZADD) at = skipValue(skipValue(at, command.end), command.end);
  else if (command.code == ZINCRBY) at = skipValue(at, command.end);
  const text = bytesOf(at);
  if (text == 0 || at >= command.end) return NOTHING;
  const word = bucketWord(root, bucketOfHash(hashKey(text, lastLength()), buckets));
  return word ? word : NOTHING;
}
