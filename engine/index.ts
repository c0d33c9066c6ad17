/** The embedding API of the package: `import { openCache } from 'slabring'`. */
export type {
  ByteSize,
  CopyOptions,
  Duration,
  IncrementOptions,
  Key,
  KeyDescription,
  KeyScanOptions,
  KeyType,
  LimitOptions,
  LimitResult,
  ScanPage,
  SetOptions,
  TimeLeft,
  TtlOptions,
  Version,
  Versioned,
} from './api.js';
export type { ArenaStats as CacheStats } from './arena.js';
export type { Cache } from './cache.js';
export type {
  Change,
  ClearChange,
  DeleteChange,
  ExpireChange,
  OverrunChange,
  SetChange,
} from './change.js';
export type { Changes, ChangesOptions } from './changes.js';
export type { ClusterProvider, Membership, MembershipProvider } from './cluster-member.js';
export type { CacheOptions, Policy } from './config.js';
export type { DecodedOptions } from './decoded.js';
export { type ErrorCode, SlabringError } from './errors.js';
export type { CacheEvents } from './events.js';
export type { FullKeyspace as Keyspace } from './full-keyspace.js';
export type { Member, ScanOptions } from './handles/arguments.js';
export type {
  AtomicCommand,
  AtomicCommandName,
  AtomicOptions,
  AtomicResult,
  Guard,
} from './handles/atomic.js';
export type { ExpireOptions, FieldOptions } from './handles/field-options.js';
export type { Fields, Hash } from './handles/hash.js';
export type { List, ListEnd } from './handles/list.js';
export type { Members } from './handles/members.js';
export type { Page } from './handles/replies.js';
export type { Mode, Reply, Walk } from './handles/runner.js';
export type { SizeOptions } from './handles/several.js';
export type { Scored, SortedSet } from './handles/sorted.js';
export type {
  Bounds,
  CombineOptions,
  OrderOptions,
  RangeOptions,
  ScoreOptions,
} from './handles/sorted-arguments.js';
export type { Store } from './handles/store.js';
export type { ExportOptions, ExportResult } from './jobs/export-file.js';
export type { FileFormat } from './jobs/files.js';
export { ImportError, type ImportOptions, type ImportResult } from './jobs/import-file.js';
export type { JobOptions, JobProgress } from './jobs/options.js';
export type { BrokenRule } from './jobs/verify-part.js';
export type { Namespace, NamespaceOptions } from './namespace.js';
export {
  type AttachOptions,
  attachCache,
  type CacheHandle,
  type MemberCache,
  openCache,
} from './open.js';
export type { NamespaceStats, SizeCount } from './space.js';
export type { FoundKey } from './walk.js';
