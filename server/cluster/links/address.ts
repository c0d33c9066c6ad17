/** Addresses of peers as text: `host:port`, an IPv6 host in brackets. */
import { isIPv6 } from 'node:net';
import type { Address } from '../ports.js';
import { TEXT_LENGTH_MAX } from './link-limits.js';

/** A name, an IPv4 address, or an IPv6 address in brackets; then a port. */
const ADDRESS = /^(?:[A-Za-z0-9._-]+|\[([0-9A-Fa-f:.]+)\]):([0-9]{1,5})$/;

export function isAddress(text: unknown): text is Address {
  if (typeof text !== 'string' || text.length > TEXT_LENGTH_MAX) return false;
  const match = ADDRESS.exec(text);
  if (match === null) return false;
  const [, ipv6, port] = match;
  if (ipv6 !== undefined && !isIPv6(ipv6)) return false;
  // It must also stand in the URL that is dialed: 300.0.0.1 must not.
  return Number(port) >= 1 && Number(port) <= 65_535 && URL.canParse(`ws://${text}`);
}

export function formatAddress(host: string, port: number): Address {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

export function hostOf(address: Address): string {
  return address.slice(0, address.lastIndexOf(':'));
}

/** Whether only this machine reaches a host. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** Whether a host stands for all addresses of the machine, so that nobody can dial it. */
export function isAnyHost(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}
