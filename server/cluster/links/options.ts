/** Options of the links: what a caller may give, their defaults, and the one place that checks. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { SlabringError } from '../../../engine/errors.js';
import { checkOptionNames, show } from '../../../engine/units.js';
import type { Address, Clock, Random } from '../ports.js';
import { isAddress, isAnyHost } from './address.js';
import { isText } from './handshake.js';
import type { LinkEvent } from './link-event.js';
import { BATCH_BYTES, DEFAULT_LINK_LIMITS, LIMIT_MAX, type LinkLimits } from './link-limits.js';

/** Mutual TLS: each node shows a certificate, and takes only those that `ca` has signed. */
export interface LinkTls {
  /** PEM, as all three. */
  readonly key: string | Buffer;
  readonly cert: string | Buffer;
  readonly ca: string | Buffer;
  /**
   * The name that certificates of peers must carry. Default: the host that is dialed, name or IP
   * address.
   */
  readonly serverName?: string;
}

export interface PeerLinksOptions {
  /** The name of the cluster: nodes of another one are refused. */
  readonly cluster: string;
  /** Copies of each key beside the first: nodes with others are refused. Default: 0. */
  readonly replicas?: number;
  /** What all nodes of the cluster know and nobody else. Default: none, the name is enough. */
  readonly secret?: string;
  /** This node's id. */
  readonly id: string;
  /** This node's name, for people. Default: the id. */
  readonly name?: string;
  /** The version of this software, told to peers. */
  readonly software: string;
  /** Where to listen. Default: `'127.0.0.1'`. */
  readonly host?: string;
  /** Default: 0, any that is free. */
  readonly port?: number;
  /** Where peers reach this node. Default: `host` and the port that it listens on. */
  readonly address?: Address;
  readonly tls?: LinkTls;
  readonly limits?: Partial<LinkLimits>;
  readonly clock: Clock;
  readonly random: Random;
  /** Called with each event; must not throw. Default: events are not told. */
  readonly onEvent?: (event: LinkEvent) => void;
}

/** The options with everything filled in. */
export interface LinkSettings {
  readonly cluster: string;
  readonly replicas: number;
  readonly secret: string | undefined;
  readonly id: string;
  readonly name: string;
  readonly software: string;
  readonly host: string;
  readonly port: number;
  readonly address: Address | undefined;
  readonly tls: LinkTls | undefined;
  readonly limits: LinkLimits;
  readonly clock: Clock;
  readonly random: Random;
  readonly onEvent: (event: LinkEvent) => void;
}

const OPTION_NAMES: readonly (keyof PeerLinksOptions)[] = [
  ...(['cluster', 'replicas', 'secret', 'id', 'name', 'software', 'host'] as const),
  ...(['port', 'address', 'tls', 'limits', 'clock', 'random', 'onEvent'] as const),
];

const TLS_NAMES: readonly (keyof LinkTls)[] = ['key', 'cert', 'ca', 'serverName'];

const LIMIT_NAMES = Object.keys(DEFAULT_LINK_LIMITS) as (keyof LinkLimits)[];

/** What {@link isHost} allows, in words. */
export const HOSTS = "an address or name such as '127.0.0.1', '::1' or 'localhost'";

/** Whether it may be what a node listens on. */
export function isHost(host: unknown): host is string {
  return isText(host) && !/[\s/[\]]/.test(host);
}

/** @throws SlabringError `OPTION`, naming the option, what it was and what is allowed */
export function readLinkOptions(options: PeerLinksOptions): LinkSettings {
  checkOptionNames(options, OPTION_NAMES, 'PeerLinks');
  const { id, replicas = 0, secret, address, host = '127.0.0.1', port = 0 } = options;
  const { clock, random } = options;
  if (!isHost(host)) refuse('host', HOSTS, host);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    refuse('port', 'a whole number from 0 to 65535', port);
  }
  if (!Number.isInteger(replicas) || replicas < 0) {
    refuse('replicas', 'a whole number from 0', replicas);
  }
  if (address !== undefined && !isAddress(address)) {
    refuse('address', "like 'HOST:PORT' or '[IPV6]:PORT'", address);
  }
  if (address === undefined && isAnyHost(host)) {
    refuse('address', `set where host is '${host}', which nobody can dial`, address);
  }
  // The secret itself must not end up in a log, so the message does not show it.
  if (secret !== undefined && (typeof secret !== 'string' || secret === '')) {
    throw new SlabringError('OPTION', 'secret must be a text of at least one character');
  }
  return {
    cluster: readText(options.cluster, 'cluster'),
    replicas,
    secret,
    id: readText(id, 'id'),
    name: readText(options.name ?? id, 'name'),
    software: readText(options.software, 'software'),
    host,
    port,
    address,
    tls: options.tls === undefined ? undefined : readTls(options.tls, 'tls'),
    limits: readLimits(options.limits),
    clock,
    random,
    onEvent: options.onEvent ?? (() => {}),
  };
}

function readText(text: unknown, option: string): string {
  if (isText(text)) return text;
  refuse(option, 'a text of 1 to 262 characters without control characters', text);
}

/**
 * Checks that Node can use them, which else only the first link would find out.
 * @param option what they are called, for errors
 * @throws SlabringError `OPTION`, naming which; it is shown to nobody, as one of them is a key
 */
export function readTls(tls: LinkTls, option: string): LinkTls {
  checkOptionNames(tls, TLS_NAMES, option);
  for (const name of ['key', 'cert', 'ca'] as const) {
    const pem: unknown = tls[name];
    if (pem && (typeof pem === 'string' || pem instanceof Uint8Array)) continue;
    throw new SlabringError('OPTION', `${option}.${name} must be PEM, as text or bytes`);
  }
  const { key, cert, ca } = tls;
  const check = (name: string, what: string, use: () => unknown): void => {
    try {
      use();
    } catch (cause) {
      const { message } = cause as Error;
      throw new SlabringError('OPTION', `${option}.${name} is ${what}: ${message}`, { cause });
    }
  };
  check('cert', 'no certificate in PEM', () => new X509Certificate(cert));
  check('key', 'no private key in PEM', () => createPrivateKey(key));
  // A context takes anything for an authority.
  check('ca', 'no certificate in PEM', () => new X509Certificate(ca));
  check('key', `not that of ${option}.cert`, () => createSecureContext({ cert, key, ca }));
  return tls;
}

function readLimits(given: Partial<LinkLimits> = {}): LinkLimits {
  checkOptionNames(given, LIMIT_NAMES, 'limits');
  const limits = { ...DEFAULT_LINK_LIMITS, ...given };
  for (const name of LIMIT_NAMES) {
    const limit = limits[name];
    if (!Number.isInteger(limit) || limit < 1 || limit > LIMIT_MAX) {
      refuse(name, `a whole number from 1 to ${LIMIT_MAX}`, limit);
    }
  }
  // Else a frame of short messages would be one that the peer must refuse.
  if (limits.messageBytesMax < BATCH_BYTES) {
    refuse('messageBytesMax', `at least ${BATCH_BYTES}`, limits.messageBytesMax);
  }
  for (const name of ['backlogBytesMax', 'queueBytesMax'] as const) {
    // Else a message that is allowed could never be sent.
    if (limits[name] < limits.messageBytesMax) {
      refuse(name, `at least messageBytesMax (${limits.messageBytesMax})`, limits[name]);
    }
  }
  return limits;
}

function refuse(option: string, allowed: string, value: unknown): never {
  throw new SlabringError('OPTION', `${option} must be ${allowed}, not ${show(value)}`);
}
