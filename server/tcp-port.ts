/** The TCP address of a node: resolved and tried before anything is started for it. */
import { lookup } from 'node:dns/promises';
import { createServer } from 'node:net';
import { SlabringError } from '../engine/errors.js';

/**
 * The numeric address of a host name.
 * @throws SlabringError `OPTION`
 */
export async function resolveHost(host: string): Promise<string> {
  try {
    return (await lookup(host)).address;
  } catch {
    throw new SlabringError('OPTION', `host ${host} is not known`);
  }
}

/**
 * Checks that this process may listen on the port and nobody else does: uWebSockets.js would only
 * say that it failed, and sockets that share a port would not even fail.
 * @throws SlabringError `OPTION` with the reason
 */
export function probePort(address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(new SlabringError('OPTION', explain(error, address, port), { cause: error }));
    });
    server.listen({ host: address, port, exclusive: true }, () => server.close(() => resolve()));
  });
}

function explain(error: NodeJS.ErrnoException, address: string, port: number): string {
  switch (error.code) {
    case 'EADDRINUSE':
      return `port ${port} is in use on ${address}; choose another port, or 0 for any free one`;
    case 'EACCES':
      return `port ${port} needs more rights than this process has; choose one from 1024 on`;
    case 'EADDRNOTAVAIL':
      return `host ${address} is no address of this machine`;
    default:
      return `cannot listen on ${address} port ${port} (${error.code ?? error.message})`;
  }
}

/** `host:port` as a URL has it. */
export function hostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
