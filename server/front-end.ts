/** What the two front ends have in common, and how uWebSockets.js is found. */
import type * as Uws from 'uWebSockets.js';

/** The WebSocket side of one serving thread. */
export interface FrontEnd {
  /** `uws`: what the acceptor hands connections to. */
  readonly descriptor?: number;
  /** `ws`: the port this thread listens on. */
  readonly port?: number;
  /** Takes no more connections. Those that are open stay. */
  stopAccepting(): void;
  /** Drops whatever is still open. */
  close(): void;
}

export type UwsModule = typeof Uws;

/** An app as it really is: the declarations of the package leave these out. */
export type UwsApp = Uws.TemplatedApp & {
  /** Names this app to an acceptor in another thread. */
  getDescriptor(): number;
  /**
   * From now on the connections that this app accepts go to that app, in turn with its other
   * children.
   */
  addChildAppDescriptor(descriptor: number): void;
  listen(
    host: string,
    port: number,
    options: number,
    callback: (socket: Uws.us_listen_socket | false) => void,
  ): UwsApp;
};

/** The platform has no binary of uWebSockets.js; `message` says for what. */
export class NoBinary extends Error {
  override readonly name = 'NoBinary';
}

/**
 * Loads uWebSockets.js.
 * @throws NoBinary where it has none for this platform and Node (24 and 26, Alpine)
 */
export async function loadUws(): Promise<UwsModule> {
  try {
    return await import('uWebSockets.js');
  } catch (cause) {
    const { platform, arch, version } = process;
    const message = `uWebSockets.js has no binary for Node ${version} on ${platform} ${arch}`;
    throw new NoBinary(message, { cause });
  }
}
