/**
 * Connections that can be taken back: closed, TCP goes on to deliver what was sent, for minutes
 * where the network is cut; reset, it forgets that.
 */
import { connect, isIP, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect as connectTls, TLSSocket } from 'node:tls';
import { CONNECT_MS } from './link-limits.js';

/** By connection with TLS: what it runs on. */
const below = new WeakMap<Duplex, Socket>();

/** Ends a connection at once; what the other machine has not got yet is not sent any more. */
export function resetTcp(connection: Duplex): void {
  const tcp = below.get(connection) ?? connection;
  if (tcp instanceof Socket && !(tcp instanceof TLSSocket)) tcp.resetAndDestroy();
  else connection.destroy();
}

type DialOptions = Pick<ConnectionOptions, 'host' | 'port'>;

/** As `net.connect`, but soon. */
export function connectPlain({ host, port }: DialOptions): Socket {
  const tcp = connect({ ...(host !== undefined && { host }), port: Number(port) });
  const timer = setTimeout(() => {
    tcp.destroy(new Error(`no connection within ${CONNECT_MS} ms`));
  }, CONNECT_MS);
  for (const event of ['connect', 'close']) tcp.once(event, () => clearTimeout(timer));
  return tcp;
}

/** As `tls.connect`, but soon, and for a connection that `resetTcp` can end. */
export function connectSecure(options: ConnectionOptions): TLSSocket {
  const tcp = connectPlain(options);
  const { host = '', servername = isIP(host) ? '' : host } = options;
  const connection = connectTls({ ...options, servername, path: undefined, socket: tcp });
  below.set(connection, tcp);
  tcp.on('error', (error) => connection.destroy(error));
  return connection;
}

/** Knows of connections with TLS that a server has taken what they run on. */
export class SecureConnections {
  /** By the other end's address: those without TLS yet. */
  readonly #plain = new Map<string, Socket>();

  /** One that has come. */
  begin(tcp: Socket): void {
    const from = endOf(tcp);
    this.#plain.set(from, tcp);
    tcp.once('close', () => {
      if (this.#plain.get(from) === tcp) this.#plain.delete(from);
    });
  }

  /** It has TLS now. */
  secured(connection: TLSSocket): void {
    const from = endOf(connection);
    const tcp = this.#plain.get(from);
    this.#plain.delete(from);
    if (tcp) below.set(connection, tcp);
  }
}

function endOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
