/**
 * The listening side of a node on uWebSockets.js. The main thread accepts connections and hands
 * them to the apps of the serving threads in turn.
 *
 * Why not let every thread listen, as SO_REUSEPORT allows on Linux? macOS does not spread
 * connections that way; a second node on the port would silently share it; and the kernel spreads
 * by hash, so that of ten connections one thread of two may get eight. A cache's connections are
 * few and stay: turns are even. Accepting is as fast (measured 3.7-4.2 K connections a second
 * either way, Node being the client), and a Unix-domain socket is spread as well.
 */
import type * as Uws from 'uWebSockets.js';
import { SlabringError } from '../engine/errors.js';
import type { UwsApp, UwsModule } from './front-end.js';

/**
 * `LIBUS_LISTEN_EXCLUSIVE_PORT`; the declarations promise an enum that the module does not have.
 */
const EXCLUSIVE_PORT = 1;

export interface Acceptor {
  /** The TCP port, also when any free one was asked for. */
  readonly port: number;
  /** Takes no more connections. */
  close(): void;
}

/**
 * Listens on an address and port, and on a Unix-domain socket if there is a path, for the apps
 * named by `descriptors`.
 * @throws SlabringError `OPTION` when it cannot listen there
 */
export function createAcceptor(
  uws: UwsModule,
  descriptors: readonly number[],
  address: string,
  port: number,
  unix: string | undefined,
): Acceptor {
  const app = uws.App() as UwsApp;
  for (const descriptor of descriptors) app.addChildAppDescriptor(descriptor);
  const sockets: Uws.us_listen_socket[] = [];
  const close = () => {
    for (const socket of sockets.splice(0)) uws.us_listen_socket_close(socket);
  };

  let tcp: Uws.us_listen_socket | false = false;
  app.listen(address, port, EXCLUSIVE_PORT, (socket) => {
    tcp = socket;
  });
  if (!tcp) throw new SlabringError('OPTION', `cannot listen on ${address} port ${port}`);
  sockets.push(tcp);
  if (unix !== undefined) {
    let local: Uws.us_listen_socket | false = false;
    app.listen_unix((socket) => {
      local = socket;
    }, unix);
    if (!local) {
      close();
      throw new SlabringError('OPTION', `cannot listen on the socket ${unix}`);
    }
    sockets.push(local);
  }
  return { port: uws.us_socket_local_port(tcp), close };
}
