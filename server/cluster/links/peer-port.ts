/** The port that peers dial: takes connections, and lets nobody hold one without a handshake. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { type ServerOptions, type WebSocket, WebSocketServer } from 'ws';
import { SlabringError } from '../../../engine/errors.js';
import type { Address } from '../ports.js';
import { formatAddress } from './address.js';
import { PREFIX_BYTES } from './batch.js';
import { CLOSE_MS, CONNECTIONS_MAX, type LinkLimits, STRANGERS_MAX } from './link-limits.js';
import type { LinkSettings, LinkTls } from './options.js';
import { SecureConnections } from './tcp.js';

export type PeerPortOptions = Pick<LinkSettings, 'host' | 'port' | 'tls' | 'clock' | 'limits'>;

export class PeerPort {
  /** Takes a WebSocket, before any handshake. Set in the turn in which `open` resolved. */
  onSocket: (socket: WebSocket, connection: Duplex, from: Address) => void = () => {};
  /** A connection that did not come so far was closed. */
  onStranger: (from: Address, why: string) => void = () => {};
  readonly #options: PeerPortOptions;
  readonly #server: Server;
  readonly #sockets: WebSocketServer;
  /** Connections that are not through, each with what takes its deadline back. */
  readonly #strangers = new Map<Duplex, () => void>();

  /** @throws SlabringError `OPTION` when it cannot listen there */
  static async open(options: PeerPortOptions): Promise<PeerPort> {
    const port = new PeerPort(options);
    await port.#listen();
    return port;
  }

  private constructor(options: PeerPortOptions) {
    const { tls, limits } = options;
    this.#options = options;
    this.#sockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: limits.messageBytesMax + PREFIX_BYTES,
      closeTimeout: CLOSE_MS,
    } as ServerOptions);
    this.#sockets.on('wsClientError', (error, connection) => this.#drop(connection, error.message));
    this.#server = tls ? createTlsServer(serverTls(tls, limits)) : createServer();
    this.#server.maxConnections = CONNECTIONS_MAX;
    this.#server.on('drop', (data) => {
      const from = formatAddress(data?.remoteAddress ?? 'unknown', data?.remotePort ?? 0);
      this.onStranger(from, `more than ${CONNECTIONS_MAX} connections`);
    });
    // With TLS, a connection that did not get so far has `handshakeTimeout`.
    const event = tls ? 'secureConnection' : 'connection';
    if (tls) {
      const secure = new SecureConnections();
      this.#server.on('connection', (tcp: Socket) => secure.begin(tcp));
      this.#server.on(event, (connection: TLSSocket) => secure.secured(connection));
    }
    this.#server.on(event, (connection: Socket) => this.#meet(connection));
    this.#server.on('request', (request, response) => this.#answer(request, response));
    this.#server.on('upgrade', (request, connection, head) => {
      this.#upgrade(request, connection, head);
    });
    this.#server.on('clientError', (error, connection) => {
      this.#drop(connection, `no peer: ${error.message}`);
    });
    // One without the right certificate is closed already, and so has no address any more.
    this.#server.on('tlsClientError', (error: Error, connection: TLSSocket) => {
      const why = connection.authorizationError ?? error.message;
      this.onStranger(addressOf(connection), `no TLS, or not as a peer: ${why}`);
      connection.destroy();
    });
  }

  /** That it listens on. */
  get number(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  #listen(): Promise<void> {
    const { host, port } = this.#options;
    return new Promise<void>((resolve, reject) => {
      const fail = (error: Error) => {
        const where = `the peer port ${formatAddress(host, port)}`;
        const message = `cannot listen on ${where}: ${error.message}`;
        reject(new SlabringError('OPTION', message, { cause: error }));
      };
      this.#server.once('error', fail);
      this.#server.listen(port, host, () => {
        this.#server.off('error', fail);
        // A connection could not be taken, as when files are short; the next one may be.
        this.#server.on('error', (error) => this.onStranger('unknown', error.message));
        resolve();
      });
    });
  }

  /** The handshake on a connection is through. */
  trust(connection: Duplex): void {
    this.#strangers.get(connection)?.();
    this.#strangers.delete(connection);
  }

  /** Takes no more, and ends what is not through. Resolves when all its connections are gone. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const [connection, cancel] of this.#strangers) {
      cancel();
      connection.destroy();
    }
    this.#server.closeAllConnections();
    await closed;
  }

  #meet(connection: Socket): void {
    const { clock, limits } = this.#options;
    if (this.#strangers.size >= STRANGERS_MAX) {
      this.#drop(connection, `more than ${STRANGERS_MAX} connections without a handshake`);
      return;
    }
    const cancel = clock.after(limits.handshakeMs, () => {
      this.#drop(connection, `no handshake within ${limits.handshakeMs} ms`);
    });
    this.#strangers.set(connection, cancel);
    connection.once('close', () => this.trust(connection));
    // HTTP has one listener only until the upgrade; a broken connection must find one after it.
    connection.on('error', () => {});
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const text = 'This port is for the peers of a Slabring cluster.\n';
    response.writeHead(426, { 'content-type': 'text/plain', connection: 'close' }).end(text);
    this.onStranger(addressOf(request.socket), 'plain HTTP, no peer');
  }

  #upgrade(request: IncomingMessage, connection: Duplex, head: Buffer): void {
    // Any page may let a browser open a WebSocket to any port, also of this machine.
    if (request.headers.origin !== undefined) {
      this.#drop(connection, 'a browser, no peer');
      return;
    }
    const from = addressOf(request.socket);
    this.#sockets.handleUpgrade(request, connection, head, (socket) => {
      this.onSocket(socket, connection, from);
    });
  }

  #drop(connection: Duplex, why: string): void {
    if (!connection.destroyed) this.onStranger(addressOf(connection as Socket), why);
    connection.destroy();
  }
}

function addressOf({ remoteAddress, remotePort }: Socket): Address {
  return remoteAddress === undefined ? 'unknown' : formatAddress(remoteAddress, remotePort ?? 0);
}

function serverTls({ key, cert, ca }: LinkTls, { handshakeMs }: LinkLimits) {
  return {
    ...{ key, cert, ca },
    requestCert: true,
    rejectUnauthorized: true,
    handshakeTimeout: handshakeMs,
  };
}
