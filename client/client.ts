/** The client: a cache on other machines, and its connections. */
import type { ClusterView } from '../engine/cluster-view.js';
import { checkOptionNames } from '../engine/units.js';
import { ClientView } from './client-view.js';
import type { ClientEvents, ClientState, ServerFacts } from './connection.js';
import { Emitter } from './emitter.js';
import { type ClientOptions, checkUrls, readOptions } from './options.js';
import { Router } from './router.js';

/** Where a node is, or several of which any will do: those of one cluster. */
export type Seeds = string | URL | readonly (string | URL)[];

/**
 * Connects, and resolves once commands can be sent.
 *
 * @param urls `ws://HOST:PORT`, `wss://HOST:PORT`, or in Node `ws+unix:PATH:/`; of several, the
 *   first that answers
 * @throws SlabringError `OPTION` for wrong arguments, `CONNECTION` when the first attempt fails,
 *   `NOAUTH` or `DENIED` when the server does not accept the token. To keep trying instead, use
 *   `new Client`.
 */
export async function connect(urls: Seeds, options?: ClientOptions): Promise<Client> {
  const client = new Client(urls, options);
  try {
    await client.ready();
  } catch (error) {
    await client.close({ wait: false });
    throw error;
  }
  return client;
}

/**
 * A cache on one node, or on all nodes of a cluster: then each command goes to the node of its key.
 * What one node is asked in one turn of the event loop leaves in one frame.
 */
export class Client extends ClientView {
  readonly #router: Router;
  readonly #emitter: Emitter<ClientEvents>;

  /**
   * Starts to connect in the background, and keeps trying. Commands may be called at once: they
   * wait.
   * @throws SlabringError `OPTION`
   */
  constructor(urls: Seeds, options: ClientOptions = {}) {
    const settings = readOptions(options);
    const emitter = new Emitter<ClientEvents>();
    const router = new Router(checkUrls(urls), settings, emitter);
    const { concern, deadline, read, hedge, readYourWrites } = options;
    super(router, settings, { concern, deadline, read, hedge, readYourWrites } as ClientOptions);
    this.#emitter = emitter;
    this.#router = router;
    router.control.start();
  }

  get state(): ClientState {
    return this.#router.control.state;
  }

  /** What the server said of itself when the client last connected; undefined before. */
  get facts(): ServerFacts | undefined {
    return this.#router.control.facts;
  }

  /** The cluster as the node connected to tells it; undefined: none, or the client does not route. */
  get cluster(): ClusterView | undefined {
    return this.#router.routes?.view;
  }

  /** How many commands were called and are not answered yet. */
  get outstanding(): number {
    return this.#router.outstanding;
  }

  /** Calls `listener` at every `event`. The function returned takes the listener away. */
  on<Name extends keyof ClientEvents>(
    event: Name,
    listener: (detail: ClientEvents[Name]) => void,
  ): () => void {
    return this.#emitter.on(event, listener);
  }

  /**
   * The facts of the server once connected; rejects when the present or next attempt to connect
   * fails.
   */
  ready(): Promise<ServerFacts> {
    return this.#router.control.ready();
  }

  /**
   * Refuses new commands with `CLOSED`, waits for the replies to those on their way, and closes the
   * connections. With `wait: false` those are rejected too.
   */
  async close(options: { wait?: boolean } = {}): Promise<void> {
    checkOptionNames(options, ['wait'], 'close');
    await this.#router.close(options.wait ?? true);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Resolves to `'PONG'` when the server answers. */
  ping(): Promise<string> {
    return this.send('PING') as Promise<string>;
  }
}
