/**
 * Connections that can be taken back: closed, TCP goes on to deliver what was sent, for minutes
 * where the network is cut; reset, it forgets that.
 */
import { connect, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect as connectTls, TLSSocket } from 'node:tls';

/** By connection with TLS: what it runs on. */
const below = new WeakMap<Duplex, Socket>();

/** Ends a connection at once; what the other machine has not got yet is not sent any more. */
export function resetTcp(connection: Duplex): void {
  const tcp = below.get(connection) ?? connection;
  if (tcp instanceof Socket && !(tcp instanceof TLSSocket)) tcp.resetAndDestroy();
  else connection.destroy();
}

/** As `tls.connect`, for a connection that `resetTcp` can end. */
export function connectSecure(options: ConnectionOptions): TLSSocket {
  const { host, port } = options;
  const tcp = connect({ ...(host !== undefined && { host }), port: Number(port) });
  const connection = connectTls({ ...options, path: undefined, socket: tcp });
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
