/** The options of a node that is one of a cluster: what they are, their defaults, their checks. */
import type { ByteSize, Duration } from '../../engine/api.js';
import { SlabringError } from '../../engine/errors.js';
import { checkOptionNames, parseByteSize, parseDuration, show } from '../../engine/units.js';
import { formatAddress, isAddress } from './links/address.js';
import { HOSTS, isHost, type LinkTls, readTls } from './links/options.js';
import { PRESETS, type PresetName } from './membership/presets.js';
import { readSeedSource } from './membership/seeds.js';
import { MAX_COPIES, MAX_WEIGHT, MIN_WEIGHT } from './ring-options.js';

/** Options of a node of a cluster. An option that is `undefined` counts as absent. */
export interface ClusterNodeOptions {
  /** The cluster's name: nodes of another one are refused. */
  name: string;
  /**
   * Where other nodes of it are: `'host:port,host:port'`, `'dns:NAME:PORT'` or `'file:PATH'`, with
   * their peer ports. Default: none, this node is the first one.
   */
  join?: string | undefined;
  /** Copies of each key beside that of its primary, 0 to 7. Default 1. Nodes with others are refused. */
  replicas?: number | undefined;
  /** What all nodes of the cluster know and nobody else. Default: none. */
  secret?: string | undefined;
  /** Address to listen on for other nodes. Default: that for clients. */
  peerHost?: string | undefined;
  /**
   * TCP port for other nodes; 0 takes a free one. Default: that for clients and 10,000, or less
   * 10,000 where there is none so high.
   */
  peerPort?: number | undefined;
  /** The host by which clients and other nodes reach this one. Default: the one it listens on. */
  advertise?: string | undefined;
  /**
   * The node's place on the ring, which stays over restarts. No other node that lives may have it.
   * Default: `advertise` and the port.
   */
  nodeName?: string | undefined;
  /** Copies of one key go to nodes of different zones, as far as there are. Default: none. */
  zone?: string | undefined;
  /** This node's share of the keys beside the others', 0.1 to 100. Default 1. */
  weight?: number | undefined;
  /** How soon others count as dead: `'lan'`, `'wan'` or `'local'`. Default `'lan'`. */
  preset?: PresetName | undefined;
  /** How long a dead node keeps its place, before others get its keys. Default `'30s'`. */
  replaceAfter?: Duration | undefined;
  /** Live owners without which a key is neither written nor read. Default 1. */
  minOwners?: number | undefined;
  /** How often keys are compared with another owner's. Default `'1m'`. */
  repairInterval?: Duration | undefined;
  /** How long a deleted key is remembered, so that it does not come back. Default `'10m'`. */
  tombstones?: Duration | undefined;
  /**
   * Memory for writes that were not sent to other nodes yet, of that of the cache. Default: a
   * sixteenth of it, at least 4 and at most 64 MiB.
   */
  logSize?: ByteSize | undefined;
  /** How long the node hands keys over before it leaves. Default `'10s'`. */
  leaveTimeout?: Duration | undefined;
  /** Certificates, by which nodes prove to each other who they are. Default: none. */
  tls?: LinkTls | undefined;
}

/** The options with everything filled in; structured-cloneable. */
export interface ClusterConfig {
  readonly name: string;
  readonly join: string | undefined;
  readonly copies: number;
  readonly secret: string | undefined;
  readonly peerHost: string;
  readonly peerPort: number;
  readonly advertise: string;
  readonly nodeName: string | undefined;
  readonly zone: string | undefined;
  readonly weight: number;
  readonly preset: PresetName;
  readonly replaceAfterMs: number;
  readonly minOwners: number;
  readonly repairIntervalMs: number;
  readonly tombstoneMs: number;
  /** undefined: as the memory allows. */
  readonly logBytes: number | undefined;
  readonly leaveTimeoutMs: number;
  readonly tls: LinkTls | undefined;
}

const OPTION_NAMES = [
  ...(['name', 'join', 'replicas', 'secret', 'peerHost', 'peerPort', 'advertise'] as const),
  ...(['nodeName', 'zone', 'weight', 'preset', 'replaceAfter', 'minOwners'] as const),
  ...(['repairInterval', 'tombstones', 'logSize', 'leaveTimeout', 'tls'] as const),
] as const satisfies readonly (keyof ClusterNodeOptions)[];

/** As Redis has it for its cluster bus. */
const PEER_PORT_OFFSET = 10_000;
const PORT_MAX = 65_535;
const NAME_CHARACTERS_MAX = 64;
const DAY_MS = 86_400_000;
const WILDCARDS = ['0.0.0.0', '::', '[::]'];
const LOG_BYTES_MIN = 1024 * 1024;
/** Part of the memory. At full speed of writes 64 MiB are a quarter of a second. */
const LOG_SHARE = 16;
const DEFAULT_LOG_BYTES_MIN = 4 * 1024 * 1024;
const DEFAULT_LOG_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Checks the options and fills in the defaults.
 * @param host what the node listens on for clients, and `port` where
 * @throws SlabringError `OPTION`, naming the option, what it was and what is allowed
 */
export function readClusterOptions(
  options: ClusterNodeOptions,
  host: string,
  port: number,
): ClusterConfig {
  checkOptionNames(options, OPTION_NAMES, 'cluster');
  const copies = 1 + whole(options.replicas ?? 1, 'replicas', 0, MAX_COPIES - 1);
  const advertise = options.advertise ?? host;
  const reached = 'the host by which others reach this node';
  if (WILDCARDS.includes(advertise)) {
    refuse('advertise', `${reached}, where it listens on all addresses`, advertise);
  }
  if (typeof advertise !== 'string' || !isAddress(formatAddress(advertise, 1))) {
    refuse('advertise', `${reached}, a name or an address`, advertise);
  }
  if (options.join !== undefined) readSeedSource(options.join);
  const peerHost = options.peerHost ?? host;
  if (!isHost(peerHost)) refuse('peerHost', HOSTS, peerHost);
  const peerPort = whole(options.peerPort ?? defaultPeerPort(port), 'peerPort', 0, PORT_MAX);
  if (peerPort === 0 && WILDCARDS.includes(peerHost)) {
    refuse('peerPort', `given where cluster.peerHost is '${peerHost}'`, options.peerPort);
  }
  return {
    name: text(options.name, 'name'),
    join: options.join,
    copies,
    secret: options.secret === undefined ? undefined : secret(options.secret),
    peerHost,
    peerPort,
    advertise,
    nodeName: options.nodeName === undefined ? undefined : text(options.nodeName, 'nodeName'),
    zone: options.zone === undefined ? undefined : text(options.zone, 'zone'),
    weight: weight(options.weight ?? 1),
    preset: preset(options.preset ?? 'lan'),
    replaceAfterMs: span(options.replaceAfter ?? '30s', 'replaceAfter', 1_000),
    minOwners: whole(options.minOwners ?? 1, 'minOwners', 1, copies),
    repairIntervalMs: span(options.repairInterval ?? '1m', 'repairInterval', 1_000),
    tombstoneMs: span(options.tombstones ?? '10m', 'tombstones', 1_000),
    logBytes:
      options.logSize === undefined ? undefined : bytes(options.logSize, 'logSize', LOG_BYTES_MIN),
    leaveTimeoutMs: span(options.leaveTimeout ?? '10s', 'leaveTimeout', 0),
    tls: options.tls === undefined ? undefined : readTls(options.tls, 'cluster.tls'),
  };
}

/** Of a cache with so much memory. */
export function defaultLogBytes(memoryBytes: number): number {
  const share = Math.floor(memoryBytes / LOG_SHARE);
  return Math.min(Math.max(share, DEFAULT_LOG_BYTES_MIN), DEFAULT_LOG_BYTES_MAX);
}

function defaultPeerPort(port: number): number {
  if (port === 0) return 0;
  const beside = port + PEER_PORT_OFFSET;
  return beside <= PORT_MAX ? beside : port - PEER_PORT_OFFSET;
}

function refuse(option: string, allowed: string, value: unknown): never {
  throw new SlabringError('OPTION', `cluster.${option} must be ${allowed}, not ${show(value)}`);
}

function whole(value: number, option: string, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  refuse(option, `a whole number from ${min} to ${max}`, value);
}

function text(value: unknown, option: string): string {
  const isText = typeof value === 'string' && value.length > 0;
  if (isText && value.length <= NAME_CHARACTERS_MAX && /^[\x21-\x7e]+$/.test(value)) return value;
  refuse(option, `a text of 1 to ${NAME_CHARACTERS_MAX} printable ASCII characters`, value);
}

function secret(value: unknown): string {
  if (typeof value === 'string' && value !== '') return value;
  // It must not end up in a log, so the message does not show it.
  throw new SlabringError('OPTION', 'cluster.secret must be a text of at least one character');
}

function weight(value: unknown): number {
  if (typeof value === 'number' && value >= MIN_WEIGHT && value <= MAX_WEIGHT) return value;
  refuse('weight', `a number from ${MIN_WEIGHT} to ${MAX_WEIGHT}`, value);
}

function preset(value: PresetName): PresetName {
  if (Object.hasOwn(PRESETS, value)) return value;
  refuse('preset', `one of ${Object.keys(PRESETS).join(', ')}`, value);
}

function span(value: Duration, option: string, min: number): number {
  const ms = parseDuration(value, `cluster.${option}`);
  if (ms >= min && ms <= DAY_MS) return ms;
  refuse(option, `from ${min} ms to a day`, value);
}

function bytes(value: ByteSize, option: string, min: number): number {
  const size = parseByteSize(value, `cluster.${option}`);
  if (size >= min) return size;
  refuse(option, `at least ${min} bytes`, value);
}
