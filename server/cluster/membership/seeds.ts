/**
 * Where a node that knows nobody looks for others: a list, a DNS name, or a file. While it is alone
 * it looks again now and then, as others may have come.
 */
import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { isIP, isIPv6 } from 'node:net';
import { SlabringError } from '../../../engine/errors.js';
import { show } from '../../../engine/units.js';
import type { Address, Clock } from '../ports.js';

export type SeedSource =
  | { readonly kind: 'list'; readonly addresses: readonly Address[] }
  /** All addresses that a name has, as that of a headless service of Kubernetes. */
  | { readonly kind: 'dns'; readonly name: string; readonly port: number }
  /** One address a line; `#` begins a comment. */
  | { readonly kind: 'file'; readonly path: string };

/** What seeds are looked up with. */
export interface SeedLookups {
  /** All IPv4 and IPv6 addresses of a name. */
  readonly resolve: (name: string) => Promise<readonly string[]>;
  readonly readFile: (path: string) => Promise<string>;
}

export const SYSTEM_LOOKUPS: SeedLookups = {
  // By the system's resolver, for names without a dot to mean what they mean to other programs.
  resolve: async (name) => (await lookup(name, { all: true })).map(({ address }) => address),
  readFile: (path) => readFile(path, 'utf8'),
};

/** A name that begins with these is not a host. */
const DNS = 'dns:';
const FILE = 'file:';
const PORT_MAX = 65_535;
/** Of a host name, in DNS. */
const HOST_CHARACTERS_MAX = 253;
const HOST = /^[a-z\d_]([a-z\d_-]*[a-z\d_])?(\.[a-z\d_]([a-z\d_-]*[a-z\d_])?)*\.?$/i;
const LIST = "'host:port,...'";
const LINE = "'host:port'";
const ALLOWED = `${LIST}, 'dns:NAME:PORT' or 'file:PATH'`;

/** How often a node that is alone looks again: pods of one service start within some seconds. */
export const SEED_INTERVAL_MS = 3000;

/**
 * Reads `host:port,host:port`, `dns:NAME:PORT` or `file:PATH`. An IPv6 address stands in brackets.
 * @throws SlabringError that says what is wrong, and what is allowed
 */
export function readSeedSource(text: string): SeedSource {
  if (typeof text !== 'string') {
    throw new SlabringError('OPTION', `seeds must be a text such as ${ALLOWED}, not ${show(text)}`);
  }
  const refuse = refusalOf(text, ALLOWED);
  const trimmed = text.trim();
  if (trimmed.startsWith(FILE)) {
    const path = trimmed.slice(FILE.length);
    if (path === '') throw refuse(`no path stands behind '${FILE}'`);
    return { kind: 'file', path };
  }
  if (trimmed.startsWith(DNS)) {
    const [name, port] = readAddress(trimmed.slice(DNS.length), refuse);
    if (isIP(name) !== 0) throw refuse(`${show(name)} is an address, not a name`);
    return { kind: 'dns', name, port };
  }
  return { kind: 'list', addresses: listOf(trimmed, refuse) };
}

/**
 * Reads `host:port,host:port` only, for who is on another machine, where a file or a name may be
 * something else.
 * @throws SlabringError as {@link readSeedSource}
 */
export function readSeedList(text: string): readonly Address[] {
  const refuse = refusalOf(text, LIST);
  if (/^\s*(dns|file):/.test(text)) throw refuse('only addresses can be joined');
  return listOf(text, refuse);
}

function listOf(text: string, refuse: Refuse): readonly Address[] {
  const parts = text.split(',').map((part) => part.trim());
  const addresses = parts.filter((part) => part !== '').map((part) => seedAddress(part, refuse));
  if (addresses.length === 0) throw refuse('there is no address in it');
  return addresses;
}

/** The addresses that a source has now, each once. */
export async function lookUpSeeds(source: SeedSource, lookups: SeedLookups): Promise<Address[]> {
  switch (source.kind) {
    case 'list':
      return [...new Set(source.addresses)];
    case 'dns': {
      const found = await lookups.resolve(source.name);
      return [...new Set(found)].sort().map((host) => joinAddress(host, source.port));
    }
    case 'file':
      return addressesOf(await lookups.readFile(source.path), source.path);
  }
}

function addressesOf(content: string, path: string): Address[] {
  const lines = content.split('\n').map((line) => line.replace(/#.*/, '').trim());
  const addresses = lines.flatMap((line, index) =>
    line === '' ? [] : [seedAddress(line, refusalOf(`file:${path}, line ${index + 1}`, LINE))],
  );
  return [...new Set(addresses)];
}

/** `host:port` as nodes write it. */
function seedAddress(text: string, refuse: Refuse): Address {
  const [host, port] = readAddress(text, refuse);
  return joinAddress(host, port);
}

function joinAddress(host: string, port: number): Address {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

function readAddress(text: string, refuse: Refuse): [host: string, port: number] {
  const colon = text.lastIndexOf(':');
  if (colon < 0) throw refuse(`${show(text)} has no port`);
  const portText = text.slice(colon + 1);
  const port = /^\d{1,5}$/.test(portText) ? Number(portText) : 0;
  if (port < 1 || port > PORT_MAX) {
    throw refuse(`${show(portText)} is no port from 1 to ${PORT_MAX}`);
  }
  const host = text.slice(0, colon);
  const bracketed = /^\[(.*)\]$/.exec(host)?.[1];
  if (bracketed !== undefined) {
    if (isIPv6(bracketed)) return [bracketed, port];
    throw refuse(`${show(bracketed)} is no IPv6 address`);
  }
  if (host.includes(':')) {
    throw refuse(`the IPv6 address ${show(host)} must stand in brackets`);
  }
  if (host.length <= HOST_CHARACTERS_MAX && HOST.test(host)) return [host, port];
  throw refuse(host === '' ? 'a host is missing' : `${show(host)} is no host`);
}

/** An error that says what is wrong. */
type Refuse = (reason: string) => SlabringError;

function refusalOf(whole: string, allowed: string): Refuse {
  return (reason) =>
    new SlabringError('OPTION', `seeds ${show(whole)}: ${reason}; allowed are ${allowed}`);
}

export interface SeedWatchOptions {
  readonly source: SeedSource;
  readonly lookups: SeedLookups;
  readonly clock: Clock;
  /** Of `Membership`. */
  readonly isAlone: () => boolean;
  /** As `Membership.join`. */
  readonly join: (addresses: readonly Address[]) => unknown;
  /** A look that failed: it is tried again. */
  readonly onWarning: (text: string) => void;
  /** Default `SEED_INTERVAL_MS`. */
  readonly intervalMs?: number;
}

/** Looks for seeds at once and, while the node is alone, again and again. */
export class SeedWatch {
  readonly #options: SeedWatchOptions;
  #cancel: () => void = () => {};
  #isStopped = false;

  constructor(options: SeedWatchOptions) {
    this.#options = options;
  }

  /** @returns when the first look is over, and what it found was handed to `join` */
  start(): Promise<void> {
    return this.#look();
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel();
  }

  async #look(): Promise<void> {
    const { source, lookups, join, onWarning } = this.#options;
    try {
      const addresses = await lookUpSeeds(source, lookups);
      if (this.#isStopped) return;
      if (addresses.length > 0) join(addresses);
    } catch (error) {
      if (this.#isStopped) return;
      onWarning(`seeds were not found: ${error instanceof Error ? error.message : String(error)}`);
    }
    this.#wait();
  }

  #wait(): void {
    const { clock, isAlone, intervalMs = SEED_INTERVAL_MS } = this.#options;
    this.#cancel = clock.after(intervalMs, () => {
      // Later it may be alone again.
      if (isAlone()) void this.#look();
      else this.#wait();
    });
  }
}
