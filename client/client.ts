/** The client: a cache on other machines, its connections, and commands of any kind. */
import type { Key } from '../engine/api.js';
import type { ClusterView } from '../engine/cluster-view.js';
import { COMMANDS, type CommandName, type CommandRow } from '../engine/commands.js';
import { SlabringError } from '../engine/errors.js';
import { isKey } from '../engine/handles/atomic.js';
import { checkOptionNames, show } from '../engine/units.js';
import { packAll, writeArgument } from './client-runner.js';
import { ClientView } from './client-view.js';
import type { ClientEvents, ClientState, ServerFacts } from './connection.js';
import { Emitter } from './emitter.js';
import { type ClientOptions, checkUrls, readOptions } from './options.js';
import { Result } from './pending.js';
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

  /**
   * Sends any command of the protocol by name; resolves to its reply as it is on the wire, nil
   * being null. An argument that is undefined goes as nil, "as if absent".
   *
   * In a cluster, a command goes to the node of its keys, and one without a key to the node that
   * the client is connected to for the view. Of those with several keys, DEL, EXISTS, TOUCH and
   * MGET are asked of each node for its own.
   * @throws SlabringError `CROSSSLOT` when another command has keys on several nodes
   */
  send(command: CommandName, ...args: unknown[]): Promise<unknown> {
    let keys: Key[];
    try {
      if (!Object.hasOwn(COMMANDS, command)) {
        const names = Object.keys(COMMANDS).join(', ');
        throw new SlabringError('OPTION', `unknown command ${show(command)}; there are: ${names}`);
      }
      const row: CommandRow = COMMANDS[command];
      keys = args.filter((_, index) => isKey(row, index, args)) as Key[];
      const parts = canSplit(command, row) ? this.#router.split(keys) : undefined;
      if (parts !== undefined) return this.#sendParts(command, keys, parts);
      const packed = packAll(args);
      const writer = this.sender.open(row.code, keys[0], keys.slice(1));
      writer.command(row.code, args.length);
      args.forEach((argument, index) => {
        writeArgument(writer, argument === undefined ? null : argument, packed?.[index]);
      });
    } catch (error) {
      return this.sender.abandon(error);
    }
    return this.sender.commit(Result.RAW);
  }

  async #sendParts(
    command: CommandName,
    keys: readonly Key[],
    parts: readonly (readonly number[])[],
  ): Promise<unknown> {
    const replies = await Promise.all(
      parts.map((part) => this.send(command, ...part.map((index) => keys[index]))),
    );
    if (command !== 'MGET') return (replies as number[]).reduce((sum, count) => sum + count, 0);
    const values = new Array<unknown>(keys.length);
    for (const [at, part] of parts.entries()) {
      for (const [i, index] of part.entries()) values[index] = (replies[at] as unknown[])[i];
    }
    return values;
  }
}

/** Whether a command may be cut: a count of its keys, or values of which each is for itself. */
function canSplit(command: CommandName, row: CommandRow): boolean {
  return row.manyKeys === 'apart' || command === 'MGET';
}
