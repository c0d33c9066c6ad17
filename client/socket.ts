/**
 * The seam between the client and the network: a message socket, and the two ways to get one. The
 * package `ws` is preferred in Node, also where a global WebSocket exists, because it is several
 * times faster and knows Unix sockets.
 */
import type { Socket } from 'node:net';
import { SlabringError } from '../engine/errors.js';

/** One connection, as the client uses it. */
export interface ClientSocket {
  /**
   * Sends one binary message. The socket may keep `bytes` for as long as it likes and must not
   * change them; the client never writes them again.
   */
  send(bytes: Uint8Array): void;
  /** Closes in an orderly way: what was sent still goes out. */
  close(code: number, reason: string): void;
  /**
   * Drops the connection at once. What the other machine has not got yet it should not get any
   * more: commands that are lost so are sent to another node.
   */
  terminate(): void;
}

/**
 * What a socket reports. `close` comes exactly once, also after a failed attempt; `error` may come
 * before it.
 */
export interface SocketEvents {
  open(): void;
  message(bytes: Uint8Array): void;
  close(code: number, reason: string): void;
  error(error: Error): void;
}

/**
 * Starts to connect. Events come only after the socket was returned. A rejected promise means that
 * no attempt was made; no event follows then.
 */
export type SocketFactory = (
  url: string,
  subprotocol: string,
  events: SocketEvents,
) => ClientSocket | Promise<ClientSocket>;

/**
 * A reply frame above this is a fault of the server; `ws` drops the connection rather than collect
 * it.
 */
const MESSAGE_BYTES_MAX = 256 * 1024 * 1024;

/** How soon the operating system begins to ask whether a silent peer is still there. */
const KEEP_ALIVE_MS = 30_000;

/**
 * Sockets of the package `ws`, for Node.
 *
 * The mask of a WebSocket frame is all zero: masking defends naive HTTP proxies against scripts in
 * browsers, which is not what runs here, and costs a pass over every byte that leaves. A zero mask
 * is a valid mask to any server.
 */
export const nodeSocket: SocketFactory = async (url, subprotocol, events) => {
  const { WebSocket } = await import('ws');
  const options = {
    perMessageDeflate: false,
    maxPayload: MESSAGE_BYTES_MAX,
    generateMask: (mask: Uint8Array) => mask.fill(0),
  };
  const socket = new WebSocket(url, subprotocol, options);
  let connection: Socket | undefined;
  socket.on('upgrade', (response) => {
    connection = response.socket;
    connection.setKeepAlive(true, KEEP_ALIVE_MS);
  });
  socket.on('open', () => events.open());
  socket.on('message', (data: Buffer, isBinary: boolean) => {
    if (!isBinary) {
      events.error(new Error('the server sent a text message; this protocol is binary'));
      socket.terminate();
      return;
    }
    // A plain view: slices of it are plain Uint8Arrays too, as in a browser.
    events.message(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  });
  socket.on('error', (error) => events.error(error));
  socket.on('close', (code, reason) => events.close(code, reason.toString()));
  return {
    send: (bytes) => socket.send(bytes),
    close: (code, reason) => socket.close(code, reason),
    terminate: () => {
      if (connection !== undefined && connection.remotePort !== undefined) reset(connection);
      socket.terminate();
    },
  };
};

/**
 * Closed, TCP goes on to deliver what was sent: a node that was paused would read it when it goes
 * on. Reset, it forgets that, and a node that finds its connection reset does not read the rest.
 */
function reset(connection: Socket): void {
  // With TLS there is a proxy in front of the node, whose connection to the node this is not.
  if ('encrypted' in connection) return;
  connection.resetAndDestroy();
}

/** Sockets of the global WebSocket: browsers, and any other runtime that has one. */
export const browserSocket: SocketFactory = (url, subprotocol, events) => {
  const socket = new WebSocket(url, subprotocol);
  socket.binaryType = 'arraybuffer';
  socket.onopen = () => events.open();
  socket.onmessage = (event: MessageEvent<unknown>) => {
    if (!(event.data instanceof ArrayBuffer)) {
      events.error(new Error('the server sent a text message; this protocol is binary'));
      socket.close();
      return;
    }
    events.message(new Uint8Array(event.data));
  };
  // A browser does not tell a script why a connection failed.
  socket.onerror = () => events.error(new Error('the WebSocket reported an error'));
  socket.onclose = (event) => events.close(event.code, event.reason);
  return {
    send: (bytes) => socket.send(bytes as Uint8Array<ArrayBuffer>),
    close: (code, reason) => socket.close(code, reason),
    terminate: () => socket.close(),
  };
};

/** The factory for this runtime. */
export function defaultSocketFactory(): SocketFactory {
  // Named through globalThis, so that bundlers for browsers do not add a stand-in for `process`.
  const runtime = (globalThis as { process?: { versions?: { node?: string } } }).process;
  if (runtime?.versions?.node !== undefined) return nodeSocket;
  if (typeof WebSocket === 'function') return browserSocket;
  throw new SlabringError(
    'OPTION',
    'socketFactory must be given: this runtime is not Node and has no global WebSocket',
  );
}
