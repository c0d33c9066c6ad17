/*
 * Which function runs a command on collections.
 */
import { Address } from '../layout';
import { Staged } from '../staging';
import {
  countDifference,
  countIntersection,
  countSortedIntersection,
  countUnion,
  setDifference,
  setIntersection,
  setUnion,
} from './algebra';
import {
  storeDifference,
  storeIntersection,
  storeSortedDifference,
  storeSortedIntersection,
  storeSortedUnion,
  storeUnion,
} from './algebra-store';
import {
  hashDelete,
  hashFields,
  hashGetAll,
  hashGetMany,
  hashSet,
  hashSetIfAbsent,
  hashSize,
  hashValues,
} from './hash';
import {
  hashExpire,
  hashGetAndExpire,
  hashPersist,
  hashSetExpiring,
  hashTake,
  hashTimeToLive,
} from './hash-expiry';
import { hashFieldLength, hashIncrement, hashIncrementFloat } from './hash-fields';
import {
  listIndex,
  listLength,
  listPopLeft,
  listPopRight,
  listPushLeft,
  listPushLeftIfPresent,
  listPushRight,
  listPushRightIfPresent,
  listRange,
  listTrim,
} from './list';
import { listInsert, listMove, listPosition, listRemove, listSet } from './list-places';
import { hashRandom, setPop, setRandom } from './picks';
import { hashGet, hashHas, setHas, sortedScore } from './quick';
import { hashScan, setScan, sortedScan } from './scan-items';
import { setAdd, setHasMany, setMembers, setRemove, setSize } from './set';
import { setMove } from './set-move';
import { sortedAdd, sortedIncrement, sortedRemove, sortedScores, sortedSize } from './sorted';
import { sortedDifference, sortedIntersection, sortedUnion } from './sorted-algebra';
import {
  sortedCount,
  sortedLexCount,
  sortedPopHighest,
  sortedPopLowest,
  sortedRandom,
  sortedRange,
  sortedRank,
  sortedReverseRank,
} from './sorted-ranges';
import { sortedRangeStore } from './sorted-store';

const FIRST_CODE: u32 = 0x30;
const END_CODE: u32 = 0x70;

/** Whether a code is one of those for collections, all but a few. None of them is the host's. */
@inline
export function isOfCollections(code: u32): bool {
  return code - FIRST_CODE < END_CODE - FIRST_CODE;
}

/** Runs a command on a list, set, hash or sorted set. */
export function runCollections(thread: u32, command: Staged, out: Address, limit: Address, nowMs: i64): Address {
  switch (command.code) {
    case 0x30:
      return listPushLeft(thread, command, out, limit, nowMs);
    case 0x31:
      return listPushRight(thread, command, out, limit, nowMs);
    case 0x32:
      return listPushLeftIfPresent(thread, command, out, limit, nowMs);
    case 0x33:
      return listPushRightIfPresent(thread, command, out, limit, nowMs);
    case 0x34:
      return listPopLeft(thread, command, out, limit, nowMs);
    case 0x35:
      return listPopRight(thread, command, out, limit, nowMs);
    case 0x36:
      return listLength(thread, command, out, limit, nowMs);
    case 0x37:
      return listRange(thread, command, out, limit, nowMs);
    case 0x38:
      return listIndex(thread, command, out, limit, nowMs);
    case 0x39:
      return listSet(thread, command, out, limit, nowMs);
    case 0x3a:
      return listTrim(thread, command, out, limit, nowMs);
    case 0x3b:
      return listInsert(thread, command, out, limit, nowMs);
    case 0x3c:
      return listRemove(thread, command, out, limit, nowMs);
    case 0x3d:
      return listPosition(thread, command, out, limit, nowMs);
    case 0x3e:
      return listMove(thread, command, out, limit, nowMs);
    case 0x40:
      return setAdd(thread, command, out, limit, nowMs);
    case 0x41:
      return setRemove(thread, command, out, limit, nowMs);
    case 0x42:
      return setHas(thread, command, out, limit, nowMs);
    case 0x43:
      return setHasMany(thread, command, out, limit, nowMs);
    case 0x44:
      return setSize(thread, command, out, limit, nowMs);
    case 0x45:
      return setMembers(thread, command, out, limit, nowMs);
    case 0x46:
      return setPop(thread, command, out, limit, nowMs);
    case 0x47:
      return setRandom(thread, command, out, limit, nowMs);
    case 0x48:
      return setMove(thread, command, out, limit, nowMs);
    case 0x49:
      return setIntersection(thread, command, out, limit, nowMs);
    case 0x4a:
      return setUnion(thread, command, out, limit, nowMs);
    case 0x4b:
      return setDifference(thread, command, out, limit, nowMs);
    case 0x4c:
      return storeIntersection(thread, command, out, limit, nowMs);
    case 0x4d:
      return storeUnion(thread, command, out, limit, nowMs);
    case 0x4e:
      return storeDifference(thread, command, out, limit, nowMs);
    case 0x4f:
      return countIntersection(thread, command, out, limit, nowMs);
    case 0x2f:
      return setScan(thread, command, out, limit, nowMs);
    case 0x50:
      return hashSet(thread, command, out, limit, nowMs);
    case 0x51:
      return hashSetIfAbsent(thread, command, out, limit, nowMs);
    case 0x52:
      return hashGet(thread, command, out, limit, nowMs);
    case 0x53:
      return hashGetMany(thread, command, out, limit, nowMs);
    case 0x54:
      return hashGetAll(thread, command, out, limit, nowMs);
    case 0x55:
      return hashDelete(thread, command, out, limit, nowMs);
    case 0x56:
      return hashHas(thread, command, out, limit, nowMs);
    case 0x57:
      return hashSize(thread, command, out, limit, nowMs);
    case 0x58:
      return hashFields(thread, command, out, limit, nowMs);
    case 0x59:
      return hashValues(thread, command, out, limit, nowMs);
    case 0x5a:
      return hashFieldLength(thread, command, out, limit, nowMs);
    case 0x5b:
      return hashIncrement(thread, command, out, limit, nowMs);
    case 0x5c:
      return hashIncrementFloat(thread, command, out, limit, nowMs);
    case 0x5d:
      return hashRandom(thread, command, out, limit, nowMs);
    case 0x5e:
      return hashScan(thread, command, out, limit, nowMs);
    case 0x60:
      return sortedAdd(thread, command, out, limit, nowMs);
    case 0x61:
      return sortedRemove(thread, command, out, limit, nowMs);
    case 0x62:
      return sortedScore(thread, command, out, limit, nowMs);
    case 0x63:
      return sortedScores(thread, command, out, limit, nowMs);
    case 0x64:
      return sortedIncrement(thread, command, out, limit, nowMs);
    case 0x65:
      return sortedSize(thread, command, out, limit, nowMs);
    case 0x66:
      return sortedCount(thread, command, out, limit, nowMs);
    case 0x67:
      return sortedRank(thread, command, out, limit, nowMs);
    case 0x68:
      return sortedReverseRank(thread, command, out, limit, nowMs);
    case 0x69:
      return sortedRange(thread, command, out, limit, nowMs);
    case 0x6a:
      return sortedPopLowest(thread, command, out, limit, nowMs);
    case 0x6b:
      return sortedPopHighest(thread, command, out, limit, nowMs);
    case 0x6c:
      return sortedRandom(thread, command, out, limit, nowMs);
    case 0x6d:
      return sortedRangeStore(thread, command, out, limit, nowMs);
    case 0x6e:
      return sortedScan(thread, command, out, limit, nowMs);
    case 0x6f:
      return sortedLexCount(thread, command, out, limit, nowMs);
    case 0x80:
      return hashExpire(thread, command, out, limit, nowMs);
    case 0x81:
      return hashPersist(thread, command, out, limit, nowMs);
    case 0x82:
      return hashTimeToLive(thread, command, out, limit, nowMs);
    case 0x83:
      return hashSetExpiring(thread, command, out, limit, nowMs);
    case 0x84:
      return hashGetAndExpire(thread, command, out, limit, nowMs);
    case 0x85:
      return hashTake(thread, command, out, limit, nowMs);
    case 0x86:
      return countUnion(thread, command, out, limit, nowMs);
    case 0x87:
      return countDifference(thread, command, out, limit, nowMs);
    case 0x88:
      return sortedUnion(thread, command, out, limit, nowMs);
    case 0x89:
      return sortedIntersection(thread, command, out, limit, nowMs);
    case 0x8a:
      return sortedDifference(thread, command, out, limit, nowMs);
    case 0x8b:
      return storeSortedUnion(thread, command, out, limit, nowMs);
    case 0x8c:
      return storeSortedIntersection(thread, command, out, limit, nowMs);
    case 0x8d:
      return storeSortedDifference(thread, command, out, limit, nowMs);
    case 0x8e:
      return countSortedIntersection(thread, command, out, limit, nowMs);
    default:
      // The table has a row that the kernel has no function for: a programmer's error, which a test looks for.
      return unreachable();
  }
}
