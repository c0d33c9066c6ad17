/** The package `slabring/client`: the client for Node and browsers. */
export type {
  ByteSize,
  Duration,
  IncrementOptions,
  Key,
  KeyDescription,
  KeyType,
  LimitOptions,
  LimitResult,
  ScanOptions,
  ScanPage,
  SetOptions,
  TimeLeft,
  Versioned,
} from '../engine/api.js';
export type { CommandName } from '../engine/commands.js';
export { SlabringError } from '../engine/errors.js';
export { Client, connect } from './client.js';
export type { ClientEvents, ClientState, ServerFacts } from './connection.js';
export type { ClientOptions } from './options.js';
export {
  browserSocket,
  type ClientSocket,
  nodeSocket,
  type SocketEvents,
  type SocketFactory,
} from './socket.js';
