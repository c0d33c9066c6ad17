/** Connections that are taken back: the other end finds them reset, not closed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { afterEach, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { nodeSocket } from '#client/socket.js';
import {
  connectPlain,
  connectSecure,
  resetTcp,
  SecureConnections,
} from '#server/cluster/links/tcp.js';
import { CertificateAuthority } from '../support/certificates.js';

const ended: (() => void)[] = [];

afterEach(() => {
  for (const end of ended.splice(0)) end();
});

async function listen(server: Server): Promise<number> {
  ended.push(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** The code of the error that ends a connection; undefined: it ends without one. */
function endOf(socket: Socket): Promise<string | undefined> {
  return new Promise((resolve) => {
    let code: string | undefined;
    socket.on('error', (error: NodeJS.ErrnoException) => {
      code = error.code;
    });
    socket.on('close', () => resolve(code));
    socket.resume();
  });
}

it('TCP', async () => {
  const server = createServer();
  const port = await listen(server);
  for (const isReset of [true, false]) {
    const client = connect(port, '127.0.0.1');
    const [socket] = (await once(server, 'connection')) as [Socket];
    if (isReset) resetTcp(client);
    else client.destroy();
    expect(await endOf(socket)).toBe(isReset ? 'ECONNRESET' : undefined);
  }
});

it('TLS, from either end', async () => {
  const authority = new CertificateAuthority('authority');
  const server = createTlsServer(authority.issue('127.0.0.1'));
  const secure = new SecureConnections();
  server.on('connection', (tcp: Socket) => secure.begin(tcp));
  const port = await listen(server);
  for (const isClient of [true, false]) {
    const client = connectSecure({ host: '127.0.0.1', port, ca: authority.cert });
    const [socket] = (await once(server, 'secureConnection')) as [TLSSocket];
    secure.secured(socket);
    // Until then, the handshake is not over at both ends.
    client.write('x');
    await once(socket, 'data');
    socket.write('x');
    await once(client, 'data');
    const [reset, other] = isClient ? [client, socket] : [socket, client];
    const end = endOf(other);
    resetTcp(reset);
    expect(await end).toBe('ECONNRESET');
  }
});

it('TCP is given up where nobody answers', async () => {
  // It does not take connections: the system does so for a few, and then is silent.
  const code = `
    const server = require('node:net').createServer().listen(0, '127.0.0.1', 1, () => {
      require('node:fs').writeSync(1, String(server.address().port));
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`;
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  ended.push(() => child.kill('SIGKILL'));
  const [port] = await once(child.stdout, 'data');
  const sockets = Array.from({ length: 8 }, () => connectPlain({ host: '127.0.0.1', port }));
  ended.push(() => {
    for (const socket of sockets) socket.destroy();
  });
  const failed = sockets.map((socket) => new Promise((resolve) => socket.on('error', resolve)));
  expect(String(await Promise.any(failed))).toBe('Error: no connection within 1000 ms');
});

it('TLS tells why a connection was not made', async () => {
  const server = createServer();
  const port = await listen(server);
  server.close();
  await once(server, 'close');
  expect(await endOf(connectSecure({ host: '127.0.0.1', port }))).toBe('ECONNREFUSED');
});

it('a connection that the client gives up', async () => {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  ended.push(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const opened = new Promise<void>((resolve) => {
    ended.push(resolve);
    const ignore = () => {};
    const events = { open: resolve, message: ignore, close: ignore, error: ignore };
    void Promise.resolve(nodeSocket(`ws://127.0.0.1:${port}/`, 'x', events)).then((client) => {
      void opened.then(() => client.terminate());
    });
  });
  const [, request] = (await once(server, 'connection')) as [unknown, { socket: Socket }];
  expect(await endOf(request.socket)).toBe('ECONNRESET');
});
