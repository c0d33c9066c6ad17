/*
 * The kernel's exports, one instance per thread on one shared memory. engine/arena.ts is the only caller.
 */
// First, so that of files that import each other those come first whose constants others are made of.
import './eviction/policy';

export {
  collectStats,
  clear,
  format,
  FORMAT_OK,
  FORMAT_TOO_LARGE,
  FORMAT_TOO_SMALL,
  INVALID_MAGIC,
  INVALID_SIZE,
  INVALID_VERSION,
  memoryPages,
  minBudgetBytes,
  MAX_PACKED_BYTES,
  MAX_PACKED_ITEMS,
  setErrorText,
  setPacked,
  structuresAt,
  validate,
} from './arena';
export {
  attachLog,
  detachLog,
  logGrewAddress,
  logNextAddress,
  logSleepersAddress,
  partitionAddress,
  partitionOfKey,
  readLog,
  settleLog,
} from './logreaders';
export { applyRecords } from './apply';
export { addCommand, ROW_HOST, ROW_KEYS_APART, ROW_KEYS_TOGETHER, ROW_WRITE } from './commands';
export { digestRecords } from './digests';
export {
  deleteDirect,
  expireDirect,
  getDirect,
  hasDirect,
  peekDirect,
  setDirect,
  takeDirect,
} from './direct';
export {
  DRAFT_BEGUN,
  DRAFT_WITH_KEY,
  draftAbort,
  draftBegin,
  draftCommit,
  draftGrow,
  OLD_IS_KNOWN,
} from './draft';
export {
  countCommand,
  exec,
  execHost,
  execWhereServed,
  EXEC_BAD_FRAME_ID,
  EXEC_DONE,
  EXEC_ELSEWHERE,
  EXEC_HOST_COMMAND,
  EXEC_LARGE_VALUE,
  EXEC_MALFORMED,
  EXEC_REPLY_FULL,
} from './exec';
export { xxh32 } from './hash';
export { raiseClock, readClock, setNode } from './hybridclock';
export * from './integrity';
export {
  KEY_SLOT_BYTES,
  keySlotDigestsAt,
  keySlotServiceAt,
  keySlotTargetsAt,
  SERVES_ALL,
  SERVES_READS,
  slotOfKey,
} from './keyslots';
export {
  LAYOUT_VERSION,
  POLICY_ADAPTIVE,
  POLICY_CLOCK,
  POLICY_LFU,
  POLICY_LRU,
  POLICY_NONE,
  POLICY_S3FIFO,
} from './layout';
export {
  getVersionedDirect,
  largeExpire,
  largeHold,
  largeIsStill,
  largeOpen,
  largeRelease,
  largeRemove,
  largeUsed,
  setKnowing,
} from './large';
export { addHits, getStamped, stampedAt, touchStamped } from './kept';
export { setStrongOrder } from './lock';
export {
  clearNamespace,
  countNamespaces,
  NAMESPACE_DONE,
  NAMESPACE_NEEDS_SWEEP,
  namespaceBytes,
  namespaceEpochsAt,
  namespaceNamesAt,
  openNamespace,
  raiseNamespace,
  useNamespace,
} from './namespaces';
export { countEntries, randomKey } from './random';
export { addNamespaceHits, collectNamespace } from './rows';
export { scan } from './scan';
export { scanRecords } from './scanrecords';
export { findElsewhere, isKeyServed } from './serving';
export {
  MAX_LANE_BYTES,
  SHIP_HEAD_BYTES,
  SHIP_LIMITS,
  SHIP_POSITIONS,
  shipLog,
  shipNews,
  shippingLanes,
} from './shipping';
export { claimThread, reapThreads, releaseThread } from './slots';
export { MERGE_DONE, MERGE_LANE_EMPTY, MERGE_OUT_FULL, mergeReplies } from './merge';
export { draftCommitRemote, execRemote, setStamp, stampOf } from './replica';
export { openRouter, routeKey, routerLane, routerPages, routerUsed } from './router';
export {
  SPLIT_BAD_FRAME_ID,
  SPLIT_DONE,
  SPLIT_HOST_COMMAND,
  SPLIT_MALFORMED,
  SPLIT_MORE,
  SPLIT_SOLE,
  splitFrame,
} from './split';
export * from './status';
export { sweepNamespaces } from './sweep';
export { replyArea, requestArea, threadBlockAt } from './threads';
export { upkeep } from './upkeep';
export {
  beginWhole,
  dropWhole,
  pourWhole,
  readWhole,
  settleWhole,
  storeWhole,
  WHOLE_LOST,
  WHOLE_NO_MEMORY,
  WHOLE_OLD,
} from './whole';
