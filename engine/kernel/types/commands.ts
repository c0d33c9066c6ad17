/*
 * Which function runs a command on collections.
 */
import { Address } from '../layout';
import { Staged } from '../staging';
import {
  hashDelete,
  hashFields,
  hashGet,
  hashGetAll,
  hashGetMany,
  hashHas,
  hashSet,
  hashSetIfAbsent,
  hashSize,
  hashValues,
} from './hash';
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
import { countIntersection, setDifference, setIntersection, setUnion } from './algebra';
import { hashFieldLength, hashIncrement, hashIncrementFloat } from './hash-fields';
import { listInsert, listMove, listPosition, listRemove, listSet } from './list-places';
import { hashRandom, setPop, setRandom } from './picks';
import { hashScan, setScan } from './scan-items';
import { setMove } from './set-move';
import { setAdd, setHas, setHasMany, setMembers, setRemove, setSize } from './set';

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
    default:
      // The table has a row that the kernel has no function for: a programmer's error, which a test looks for.
      return unreachable();
  }
}
