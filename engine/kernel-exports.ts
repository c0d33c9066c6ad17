/**
 * The kernel's exports as TypeScript sees them, and the texts of its small integers. What each
 * function does is told where it is defined, in engine/kernel/.
 */

import type { WholeExports } from './whole-exports.js';

type Constant = { readonly value: number };

export interface KernelExports extends WholeExports {
  readonly LAYOUT_VERSION: Constant;
  readonly POLICY_NONE: Constant;
  readonly POLICY_CLOCK: Constant;
  readonly POLICY_S3FIFO: Constant;
  readonly POLICY_LRU: Constant;
  readonly POLICY_LFU: Constant;
  readonly POLICY_ADAPTIVE: Constant;
  readonly FORMAT_TOO_SMALL: Constant;
  readonly INVALID_MAGIC: Constant;
  readonly INVALID_VERSION: Constant;
  readonly EXEC_DONE: Constant;
  readonly EXEC_REPLY_FULL: Constant;
  readonly EXEC_HOST_COMMAND: Constant;
  readonly EXEC_MALFORMED: Constant;
  readonly EXEC_BAD_FRAME_ID: Constant;
  readonly EXEC_LARGE_VALUE: Constant;
  readonly EXEC_ELSEWHERE: Constant;
  readonly KEY_SLOT_BYTES: Constant;
  readonly SERVES_ALL: Constant;
  readonly SERVES_READS: Constant;
  readonly SHIP_HEAD_BYTES: Constant;
  readonly SHIP_POSITIONS: Constant;
  readonly SHIP_LIMITS: Constant;
  readonly MAX_LANE_BYTES: Constant;
  readonly DRAFT_BEGUN: Constant;
  readonly DRAFT_WITH_KEY: Constant;
  readonly OLD_IS_KNOWN: Constant;
  readonly ERROR_OUT_OF_MEMORY: Constant;
  readonly ERROR_REPLY_TOO_LARGE: Constant;
  readonly ERROR_WRONG_TYPE: Constant;
  readonly ERROR_CROSS_ARENA: Constant;
  readonly MAX_PACKED_ITEMS: Constant;
  readonly MAX_PACKED_BYTES: Constant;
  readonly NAMESPACE_NEEDS_SWEEP: Constant;
  readonly ROW_HOST: Constant;
  readonly ROW_KEYS_APART: Constant;
  readonly ROW_KEYS_TOGETHER: Constant;
  readonly ROW_WRITE: Constant;
  readonly SPLIT_SOLE: Constant;
  readonly SPLIT_BAD_FRAME_ID: Constant;
  readonly SPLIT_DONE: Constant;
  readonly SPLIT_MORE: Constant;
  readonly SPLIT_HOST_COMMAND: Constant;
  readonly SPLIT_MALFORMED: Constant;
  readonly MERGE_DONE: Constant;
  readonly MERGE_LANE_EMPTY: Constant;
  readonly MERGE_OUT_FULL: Constant;

  setStrongOrder(strong: number): void;
  memoryPages(
    budgetBytes: number,
    partitionsLog2: number,
    maxThreads: number,
    areaBytes: number,
    extraBytes: number,
    maxNamespaces: number,
  ): number;
  namespaceBytes(max: number, partitionsLog2: number): number;
  minBudgetBytes(partitionsLog2: number, extraBytes: number): number;
  format(
    budgetBytes: number,
    partitionsLog2: number,
    policy: number,
    maxEntries: number,
    hashSeed: number,
    maxThreads: number,
    areaBytes: number,
    maxValueBytes: number,
    firstVersion: number,
    stampBits: number,
    structureBytes: number,
    maxNamespaces: number,
    slotBytes: number,
  ): number;
  validate(): number;
  addCommand(
    code: number,
    minArgs: number,
    maxArgs: number,
    firstKey: number,
    keyStep: number,
    lastKey: number,
    optionsBehind: number,
    flags: number,
    nameAddress: number,
    nameBytes: number,
  ): void;
  setPacked(items: number, bytes: number): void;
  setNode(node: number, tombstoneMs: number, nowMs: number): void;
  raiseClock(high: number, low: number): void;
  readClock(thread: number): void;
  applyRecords(thread: number, length: number, nowMs: number): number;
  execRemote(
    thread: number,
    start: number,
    length: number,
    nowMs: number,
    stampHigh: number,
    stampLow: number,
  ): number;
  draftCommitRemote(
    thread: number,
    keyWord: number,
    ttlMs: number,
    nowMs: number,
    stampHigh: number,
    stampLow: number,
  ): number;
  stampOf(thread: number, keyWord: number, nowMs: number): void;
  setStamp(
    thread: number,
    keyWord: number,
    stampHigh: number,
    stampLow: number,
    nowMs: number,
  ): number;
  setErrorText(status: number, textAddress: number, textBytes: number): void;

  claimThread(osThread: number, started: number): number;
  releaseThread(thread: number): void;
  reapThreads(thread: number): number;
  threadBlockAt(thread: number): number;
  requestArea(thread: number): number;
  replyArea(thread: number): number;

  exec(thread: number, start: number, length: number, nowMs: number): number;
  execHost(thread: number, start: number, length: number, nowMs: number): number;
  execWhereServed(
    thread: number,
    start: number,
    length: number,
    nowMs: number,
    access: number,
  ): number;
  findElsewhere(thread: number, start: number, length: number, access: number): number;
  isKeyServed(thread: number, keyWord: number): number;
  slotOfKey(thread: number, keyWord: number): number;
  keySlotServiceAt(): number;
  keySlotTargetsAt(): number;
  keySlotDigestsAt(): number;
  shippingLanes(): number;
  shipLog(
    thread: number,
    start: number,
    end: number,
    firstLink: number,
    links: number,
    losses: number,
  ): number;
  shipNews(
    thread: number,
    from: number,
    firstLink: number,
    links: number,
    losses: number,
    limited: number,
    uniform: number,
  ): number;
  digestRecords(
    thread: number,
    start: number,
    end: number,
    newestHigh: number,
    newestLow: number,
  ): number;
  getDirect(thread: number, keyWord: number, nowMs: number): number;
  peekDirect(thread: number, keyWord: number, nowMs: number): number;
  takeDirect(thread: number, keyWord: number, nowMs: number): number;
  expireDirect(thread: number, keyWord: number, ttlMs: number, nowMs: number): number;
  setDirect(
    thread: number,
    keyWord: number,
    valueBytes: number,
    ttlMs: number,
    flags: number,
    version: number,
    nowMs: number,
  ): number;
  deleteDirect(thread: number, keyWord: number, nowMs: number): number;
  hasDirect(thread: number, keyWord: number, nowMs: number): number;

  draftBegin(
    thread: number,
    keyWord: number,
    valueBytes: number,
    flags: number,
    version: number,
    nowMs: number,
  ): number;
  draftGrow(thread: number, count: number, nowMs: number): number;
  draftCommit(
    thread: number,
    keyWord: number,
    ttlMs: number,
    flags: number,
    version: number,
    knownOld: number,
    nowMs: number,
  ): number;
  draftAbort(thread: number): void;
  setKnowing(
    thread: number,
    keyWord: number,
    valueBytes: number,
    ttlMs: number,
    flags: number,
    version: number,
    knownOld: number,
    nowMs: number,
  ): number;
  getVersionedDirect(thread: number, keyWord: number, known: number, nowMs: number): number;
  countCommand(thread: number): void;
  largeOpen(thread: number, keyWord: number, nowMs: number): number;
  largeIsStill(thread: number, keyWord: number, chain: number): number;
  largeHold(thread: number, keyWord: number): void;
  largeRelease(thread: number, keyWord: number): void;
  largeUsed(thread: number, keyWord: number): void;
  largeExpire(thread: number, keyWord: number, chain: number, ttlMs: number, nowMs: number): number;
  largeRemove(thread: number, keyWord: number, chain: number, nowMs: number): number;

  structuresAt(): number;
  getStamped(thread: number, keyWord: number): number;
  stampedAt(thread: number): number;
  touchStamped(thread: number, keyWord: number): void;
  addHits(thread: number, hits: number): void;

  scan(
    thread: number,
    cursor: number,
    count: number,
    maxValueBytes: number,
    nowMs: number,
    prefix: number,
  ): number;

  scanRecords(
    thread: number,
    cursor: number,
    count: number,
    nowMs: number,
    stampHigh: number,
    stampLow: number,
  ): number;

  countEntries(prefix: number): number;
  randomKey(thread: number, seed: number, nowMs: number, prefix: number): number;

  openNamespace(thread: number, nameBytes: number): number;
  countNamespaces(): number;
  useNamespace(number: number): void;
  namespaceNamesAt(): number;
  namespaceEpochsAt(): number;
  clearNamespace(thread: number, number: number, sweptEpoch: number): number;
  raiseNamespace(thread: number, number: number, epoch: number, sweptEpoch: number): number;
  sweepNamespaces(thread: number): void;
  collectNamespace(thread: number, number: number): number;
  addNamespaceHits(thread: number, number: number, hits: number): void;

  routerPages(arenas: number, areaBytes: number): number;
  openRouter(arenas: number, areaBytes: number, seed: number): number;
  routerLane(index: number): number;
  routerUsed(): number;
  routeKey(address: number, bytes: number, seed: number, arenas: number): number;
  splitFrame(start: number, length: number): number;
  mergeReplies(): number;

  xxh32(address: number, bytes: number, seed: number): number;
  attachLog(thread: number, pagesPerPartition: number, nowMs: number): number;
  detachLog(thread: number): void;
  settleLog(thread: number): void;
  readLog(thread: number, partition: number, address: number, position: number): number;
  partitionOfKey(thread: number, keyWord: number): number;
  partitionAddress(partition: number): number;
  logNextAddress(partition: number): number;
  logSleepersAddress(): number;
  logGrewAddress(): number;

  collectStats(thread: number): number;
  clear(thread: number): void;
  checkIntegrity(thread: number): number;
  checkPartitionAt(thread: number, partition: number): number;
  checkPool(thread: number): number;
  upkeep(thread: number, nowMs: number): number;
}

/**
 * Words of a thread's block, as indexes into an Int32Array over it (engine/kernel/threads.ts draws
 * it).
 */
export const BLOCK_CONSUMED = 2;
export const BLOCK_REPLY_BYTES = 3;
export const BLOCK_HOST_CODE = 4;
export const BLOCK_HOST_ARGS = 5;
export const BLOCK_HOST_ARG_COUNT = 6;
export const BLOCK_HOST_END = 7;
export const BLOCK_REFUSAL = 9;
export const BLOCK_WORDS = 12;

/** What error replies say, by the kernel's constant: `CODE message`, at most 126 bytes. */
export const KERNEL_ERROR_TEXTS: Readonly<Record<string, string>> = {
  ERROR_NOT_A_COMMAND: 'SYNTAX a command is an array of a code or a name and its arguments',
  ERROR_UNKNOWN_COMMAND: 'UNKNOWN no such command; docs/PROTOCOL.md has the table',
  ERROR_ARITY: 'SYNTAX wrong number of arguments; docs/PROTOCOL.md has the table',
  ERROR_KEY: 'SYNTAX a key is a str or bin of 1 to 65535 bytes',
  ERROR_TTL: 'SYNTAX a TTL is nil or an integer of 0 to 3153600000000 milliseconds (100 years)',
  ERROR_FLAGS: 'SYNTAX flags are nil or a sum of 1 NX, 2 XX, 4 KEEPTTL, 8 GET, 16 IFVERSION',
  ERROR_FLAGS_CONFLICT: 'SYNTAX NX excludes XX, and KEEPTTL excludes a TTL',
  ERROR_VERSION: 'SYNTAX a version is an unsigned integer, and goes with the flag IFVERSION only',
  ERROR_VALUE_TOO_LARGE: 'TOOLARGE the value is larger than this node takes',
  ERROR_OUT_OF_MEMORY: 'OOM no memory for this entry, and nothing that may be evicted for it',
  ERROR_NOT_AN_INTEGER: 'WRONGTYPE the value is not an integer',
  ERROR_DELTA: 'SYNTAX a delta is nil or a signed 64-bit integer',
  ERROR_OVERFLOW: 'OVERFLOW the sum does not fit a signed 64-bit integer',
  ERROR_ENTRIES_FULL:
    "OOM the key's partition has its share of maxEntries, and the policy none evicts nothing",
  ERROR_HOST_COMMANDS:
    'BUSY a frame may hold 64 commands that the node itself answers, such as HELLO',
  ERROR_REPLY_TOO_LARGE:
    'TOOLARGE the replies to this frame are too long already; this command was not run',
  ERROR_CROSS_ARENA: 'CROSSSLOT the keys are in several arenas; a common {tag} puts them in one',
  ERROR_NOT_BYTES: 'WRONGTYPE the value is neither a str nor a bin',
  ERROR_DATA: 'SYNTAX what is to be written into a value is a str or a bin',
  ERROR_RANGE: 'SYNTAX start and end are signed 64-bit integers; -1 is the last byte',
  ERROR_OFFSET: 'SYNTAX an offset is an integer of 0 or more',
  ERROR_NOT_A_NUMBER: 'WRONGTYPE the value is not a number',
  ERROR_NUMBER_DELTA: 'SYNTAX a delta is an integer or a float',
  ERROR_NOT_FINITE: 'OVERFLOW the sum is not a finite number',
  ERROR_TOO_MANY_VALUES: 'TOOLARGE the values are too many for one reply; ask for fewer, or by GET',
  ERROR_NO_SUCH_KEY: 'UNKNOWN no such key',
  ERROR_SAME_KEY: 'SYNTAX a key cannot be copied to itself',
  ERROR_COPY_FLAGS: 'SYNTAX flags of COPY are nil or 1 REPLACE',
  ERROR_WRONG_TYPE: 'WRONGTYPE the value is of another type than the command works on',
  ERROR_MEMBER: 'SYNTAX a member or field is a str or bin of up to 4000 bytes, or an integer',
  ERROR_COLLECTION_KEY:
    'TOOLARGE the key of a list, set, hash or sorted set has at most 2048 bytes',
  ERROR_COUNT:
    'SYNTAX a count is nil or an integer of 0 or more; of a page 1 or more, of random items any',
  ERROR_INDEX: 'SYNTAX an index is an integer of 64 bits',
  ERROR_PAIRS: 'SYNTAX HSET and HSETEX take pairs of a field and a value',
  ERROR_FIELD_TTL: 'SYNTAX HEXPIRE takes a TTL of 0 to 3153600000000 milliseconds (100 years)',
  ERROR_EXPIRE_CONDITION:
    'SYNTAX a condition is nil or a sum of 1 NX, 2 XX, 4 GT, 8 LT; of NX, GT, LT one; not NX and XX',
  ERROR_HSETEX_FLAGS:
    'SYNTAX flags are nil or a sum of 1 FNX, 2 FXX, 4 KEEPTTL; FNX excludes FXX, KEEPTTL a TTL',
  ERROR_WHERE: "SYNTAX LINSERT takes 'BEFORE' or 'AFTER', a pivot and an element",
  ERROR_SIDE: "SYNTAX LMOVE takes two keys and two ends, each 'LEFT' or 'RIGHT'",
  ERROR_LPOS:
    'SYNTAX rank, count and maxLength are integers; no rank is 0, the others are not below 0',
  ERROR_CURSOR: 'SYNTAX a cursor is 0 or what the last page gave',
  ERROR_MATCH: 'SYNTAX a pattern is nil, or a str or bin of up to 256 bytes',
  ERROR_SCORE: 'SYNTAX a score is an integer or a float, and not NaN',
  ERROR_ZADD_FLAGS:
    'SYNTAX flags are nil or a sum of 1 NX, 2 XX, 4 GT, 8 LT, 16 CH, 32 INCR; of NX, GT, LT one; not NX and XX',
  ERROR_ZRANGE:
    'SYNTAX bounds are indexes; with flag BYSCORE numbers or nil; with BYLEX str, bin or nil; see the table of flags',
  ERROR_AGGREGATE:
    'SYNTAX flags are nil, or 1 MIN or 2 MAX, and 8 WITHSCORES where nothing is stored; ZDIFF takes the last one',
  ERROR_WEIGHTS: 'SYNTAX weights are nil, or an array of a number, not NaN, for each of the keys',
  ERROR_NOT_A_SCORE: 'OVERFLOW the sum is not a number',
  ERROR_SCORE_PAIRS: 'SYNTAX ZADD takes flags or nil, then pairs of a score and a member',
  ERROR_ATOMIC:
    'SYNTAX ATOMIC takes an array of up to 1024 commands, none of them ATOMIC or one the node itself answers',
  ERROR_GUARD:
    'SYNTAX a guard is an array of a key and a version, nil for a key that must be absent',
  ERROR_REPLY_SIZE: 'TOOLARGE the reply is longer than this node sends at once; ask for less',
  ERROR_OWNER: 'SYNTAX the owner of a lease is a str or bin of 1 to 128 bytes',
  ERROR_LEASE_TTL: 'SYNTAX a lease has a TTL of 1 to 3153600000000 milliseconds (100 years)',
  ERROR_NOT_A_LEASE: 'WRONGTYPE the value is not a lease',
  ERROR_CAPACITY: 'SYNTAX capacity and cost are integers from 1 (a cost: from 0) to 1000000000',
  ERROR_RATE:
    'SYNTAX a rate is a number above 0 and up to 1000000000 that fills the bucket within 100 years',
  ERROR_NOT_A_LIMIT: 'WRONGTYPE the value is not a rate limit',
};

/** The rules that the integrity walk checks, by the kernel's constant. */
export const INTEGRITY_RULES: Readonly<Record<string, string>> = {
  BROKEN_DIRECTORY:
    "each partition's directory entries point to its segments, each aligned to its depth",
  BROKEN_SEGMENT_INFO: 'a page in the directory is a table segment of its partition',
  BROKEN_SEGMENT_COUNT: 'a segment counts its occupied slots',
  BROKEN_SLOT_TAG: "a slot's tag is that of its entry's hash, and an empty slot holds no entry",
  BROKEN_SLOT_ENTRY: 'a slot points into a slab page of its partition',
  BROKEN_SLOT_UNREACHABLE: "a lookup of an entry's hash finds the slot it stands in",
  BROKEN_OVERFLOW_COUNT: 'a bucket counts the entries that probed past it',
  BROKEN_ENTRY_CHUNK: 'an entry has a key and fits its chunk, and every chunk has a known kind',
  BROKEN_CHAIN: 'a chain is made of pieces of its entry that add up to its payload',
  BROKEN_ENTRY_COUNT: 'a partition counts its entries',
  BROKEN_PAYLOAD_BYTES: 'a partition counts the bytes of its keys and values',
  BROKEN_ENTRY_LIMIT: 'a partition holds no more entries than its share of maxEntries',
  BROKEN_CLASS_RING: 'the pages of a class form one ring of the counted length',
  BROKEN_PAGE_INFO: 'a page in a class ring is a slab of that class and partition, and not empty',
  BROKEN_PAGE_USED: 'a page and a class count their chunks in use',
  BROKEN_FREE_LIST: 'the free chunks of a page are all on its list',
  BROKEN_ROOMY_LIST: 'the pages with room, and only they, are on the list of their class',
  BROKEN_CHUNK_BYTES: 'a partition counts its slab pages and the bytes of its chunks',
  BROKEN_CHUNK_OWNER: 'every chunk in use belongs to an entry in the table',
  BROKEN_PIN: 'nothing is pinned outside a write',
  BROKEN_PAGE_TOTAL: 'every page is free or belongs to one partition',
  BROKEN_POOL_STACK: 'the pool counts the pages on its stack',
  BROKEN_QUEUE: 'a queue of records counts its records and ends where its tail is',
  BROKEN_SIDE_TABLE: "the policy's side table has the blocks that it counts",
  BROKEN_DRAFT: 'a value being written is a chain of the pages that its thread counts',
  BROKEN_LOG:
    'a log is a ring of its pages whose records are whole and numbered without a gap, or there is none',
  BROKEN_RECORDS: 'every entry that may be evicted has a record in a queue',
  BROKEN_NAMESPACES:
    'a partition counts the entries of namespaces, and of each those of one epoch, with their bytes and sizes',
  BROKEN_WHEEL: 'the wheel of expiry counts its records, in blocks of records',
  BROKEN_COLLECTION:
    'the nodes of a collection belong to it, in their order or bucket, and are counted with their items',
  BROKEN_GARBAGE: 'the nodes of collections that are no more are in a list, or below one that is',
  BROKEN_TOMBSTONES: 'a tombstone is beside its key, expires, and is counted',
  BROKEN_STAMP: 'in the arena of a node every entry has a stamp',
  BROKEN_EXPIRY:
    'an entry with an expiry has a record in the slot of the wheel that it names, and they are counted',
};
