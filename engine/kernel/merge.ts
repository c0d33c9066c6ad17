/*
 * The replies of several arenas, in the order of the commands of the frame that router.ts split. Goes on where it
 * stopped: the host brings further replies, or takes what is there.
 */
import { copyLoosely } from './bytes';
import { integerOf, IS_INTEGER, lastInteger, skipBlob, writeInteger } from './msgpack';
import { ARENA_MASK, FAILED, LAST_PART, laneAt, ownerOf, PART, routerHead } from './router';
import { writeError } from './status';

/* How mergeReplies() ended. */
/** All replies to the entries are in `out`. */
export const MERGE_DONE: i32 = 0;
/** The replies of `lane` are used up, and it has more commands: bring more, and call again. */
export const MERGE_LANE_EMPTY: i32 = 1;
/** The next reply does not fit: take what is there, set `outBytes` to 0, and call again. */
export const MERGE_OUT_FULL: i32 = 2;

/** Room that every reply fits in that the router makes itself. */
const REPLY_MARGIN: u32 = 256;

export function mergeReplies(): i32 {
  const head = routerHead();
  const start = head.out;
  const limit = start + head.outBytesMax;
  let out = start + head.outBytes;
  let outcome = MERGE_DONE;
  let i = head.merged;
  for (; i < head.entries; i++) {
    const owner = ownerOf(i);
    if (owner >= FAILED) {
      if (out + REPLY_MARGIN > limit) {
        outcome = MERGE_OUT_FULL;
        break;
      }
      out = writeError(out, owner - FAILED);
      continue;
    }
    const lane = laneAt(owner & ARENA_MASK);
    const at = lane.at;
    if (at == lane.end) {
      head.lane = owner & ARENA_MASK;
      outcome = MERGE_LANE_EMPTY;
      break;
    }
    const next = skipBlob(at, lane.end);
    const bytes = next - at;
    // A reply fits an area alone, and `out` is as large: so this ends.
    if (out + bytes > limit) {
      outcome = MERGE_OUT_FULL;
      break;
    }
    if (owner < PART) {
      copyLoosely(out, at, bytes);
      out += bytes;
    } else {
      if (out + REPLY_MARGIN > limit) {
        outcome = MERGE_OUT_FULL;
        break;
      }
      if (integerOf(at) == IS_INTEGER) {
        head.sum += lastInteger();
      } else if (!head.failed) {
        copyLoosely(out, at, bytes);
        out += bytes;
        head.failed = 1;
      }
      if (owner >= LAST_PART) {
        if (!head.failed) out = writeInteger(out, <i64>head.sum);
        head.sum = 0;
        head.failed = 0;
      }
    }
    lane.at = next;
  }
  head.merged = i;
  head.outBytes = out - start;
  return outcome;
}
