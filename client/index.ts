/** The package `slabring/client`: the client for Node and browsers. */
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
} from '../engine/api.js';
export type { ClusterNodeFacts, ClusterView, Concern } from '../engine/cluster-view.js';
export type { CommandName } from '../engine/commands.js';
export { SlabringError } from '../engine/errors.js';
export type { Member, ScanOptions } from '../engine/handles/arguments.js';
export type {
  AtomicCommand,
  AtomicCommandName,
  AtomicOptions,
  AtomicResult,
  Guard,
} from '../engine/handles/atomic.js';
export type { ExpireOptions, FieldOptions } from '../engine/handles/field-options.js';
export type { Fields, Hash } from '../engine/handles/hash.js';
export type { List, ListEnd } from '../engine/handles/list.js';
export type { Members } from '../engine/handles/members.js';
export type { Page } from '../engine/handles/replies.js';
export type { Mode, Reply, Walk } from '../engine/handles/runner.js';
export type { SizeOptions } from '../engine/handles/several.js';
export type { Scored, SortedSet } from '../engine/handles/sorted.js';
export type {
  Bounds,
  CombineOptions,
  OrderOptions,
  RangeOptions,
  ScoreOptions,
} from '../engine/handles/sorted-arguments.js';
export type { Store } from '../engine/handles/store.js';
export { Client, connect, type Seeds } from './client.js';
export { ClientView } from './client-view.js';
export type { ClientEvents, ClientState, ServerFacts } from './connection.js';
export type { ClientOptions } from './options.js';
export type { ReadFrom, SessionOptions } from './session-options.js';
export {
  browserSocket,
  type ClientSocket,
  nodeSocket,
  type SocketEvents,
  type SocketFactory,
} from './socket.js';
