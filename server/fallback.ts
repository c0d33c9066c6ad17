/**
 * The front end on Node's HTTP server and the npm package `ws`, for platforms without a binary of
 * uWebSockets.js. It does the same as websocket.ts, several times slower. Here each thread listens
 * by itself.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, ListenOptions } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { SUBPROTOCOL } from '../engine/commands.js';
import type { FrontEnd } from './front-end.js';
import { answerHttp, answerUpgrade, type HttpAnswer } from './http.js';
import { IDLE_TIMEOUT_SECONDS, receivedBytesMax } from './limits.js';
import type { ServingThread } from './serving-thread.js';
import { type Connection, Session } from './session.js';
import type { ListenPlan } from './thread-contract.js';

/** Twice in the idle time: the first look pings, the second one closes. */
const IDLE_CHECK_MS = (IDLE_TIMEOUT_SECONDS * 1000) / 2;

const BINARY = { binary: true, compress: false };

class WsConnection implements Connection {
  readonly session: Session;
  /**
   * Whether anything came since the last look; `checkIdle` closes connections that stay silent to a
   * ping.
   */
  heard = true;
  readonly #socket: WebSocket;
  readonly #onSent: () => void;

  constructor(socket: WebSocket, thread: ServingThread) {
    this.#socket = socket;
    this.session = new Session(thread, this);
    this.#onSent = () => this.session.sent();
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      this.heard = true;
      this.session.receive(data, isBinary);
    });
    socket.on('pong', () => {
      this.heard = true;
    });
    socket.on('close', () => this.session.closed());
    // A violation of RFC 6455, a message above `maxPayload` or a broken connection: `ws` itself
    // closes with the code that belongs to it, and 'close' follows.
    socket.on('error', () => {});
  }

  send(bytes: Uint8Array): boolean {
    // Bytes in shared memory are overwritten by the next frame, and a socket may keep them for
    // later: it gets a copy. A reply put together from parts is its own.
    const isShared = bytes.buffer instanceof SharedArrayBuffer;
    this.#socket.send(isShared ? Buffer.from(bytes) : bytes, BINARY, this.#onSent);
    return this.#socket.bufferedAmount > 0;
  }

  bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
  }

  checkIdle(): void {
    if (this.heard) this.#socket.ping();
    else this.#socket.terminate();
    this.heard = false;
  }

  terminate(): void {
    this.#socket.terminate();
  }
}

/** Listens as planned; resolves when connections are taken. */
export async function createWsFrontEnd(thread: ServingThread, plan: ListenPlan): Promise<FrontEnd> {
  const connections = new Set<WsConnection>();
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: receivedBytesMax(thread.config.maxMessageBytes),
    // Asked only when the client offers some, and `answerUpgrade` has let pass only offers with
    // ours among them.
    handleProtocols: () => SUBPROTOCOL,
  });
  const accept = (socket: WebSocket) => {
    const connection = new WsConnection(socket, thread);
    connections.add(connection);
    socket.on('close', () => connections.delete(connection));
  };
  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const { headers } = request;
    const { refusal } = answerUpgrade(
      {
        path: pathOf(request),
        origin: headers.origin ?? '',
        subprotocols: headers['sec-websocket-protocol'] ?? '',
      },
      thread,
    );
    if (refusal) refuseUpgrade(socket, refusal);
    else sockets.handleUpgrade(request, socket, head, accept);
  };
  const createOne = () =>
    createServer((request, response) => void respond(request, response, thread)).on(
      'upgrade',
      onUpgrade,
    );

  const { address: host, port: wanted, sharePort, unix } = plan;
  const tcp = createOne();
  const servers = [tcp];
  // Node knows `reusePort` from 23.1 on, its declarations that we build with do not.
  await listen(tcp, { host, port: wanted, exclusive: true, ...(sharePort && { reusePort: true }) });
  if (unix !== undefined) {
    const local = createOne();
    await listen(local, { path: unix });
    servers.push(local);
  }
  const idleTimer = setInterval(() => {
    for (const connection of connections) connection.checkIdle();
  }, IDLE_CHECK_MS);
  return {
    port: (tcp.address() as AddressInfo).port,
    stopAccepting: () => {
      clearInterval(idleTimer);
      for (const server of servers) server.close();
    },
    close: () => {
      for (const connection of connections) connection.terminate();
      for (const server of servers) server.closeAllConnections();
    },
  };
}

function listen(server: Server, options: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function pathOf(request: IncomingMessage): string {
  return request.url!.split('?', 1)[0]!;
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  thread: ServingThread,
): Promise<void> {
  const answer = await answerHttp(
    {
      method: request.method!,
      path: pathOf(request),
      authorization: request.headers.authorization ?? '',
    },
    thread,
  );
  response.statusCode = answer.status;
  response.setHeader('content-type', answer.contentType);
  response.setHeader('content-length', Buffer.byteLength(answer.body));
  if (thread.draining) response.setHeader('connection', 'close');
  response.end(request.method === 'HEAD' ? '' : answer.body);
}

/** Node hands the bare socket of an upgrade over, so the response is written by hand. */
function refuseUpgrade(socket: Duplex, refusal: HttpAnswer): void {
  // Nobody else listens for errors of this socket, and one that nobody listens for ends the
  // process.
  socket.on('error', () => socket.destroy());
  const head = [
    `HTTP/1.1 ${refusal.statusLine}`,
    'connection: close',
    `content-type: ${refusal.contentType}`,
    `content-length: ${Buffer.byteLength(refusal.body)}`,
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${refusal.body}`);
}
