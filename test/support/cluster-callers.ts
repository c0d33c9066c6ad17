/** How clients of a cluster in an ordeal ask: by any node that answers, or as our client does. */
import { type Client, connect } from '#client/index.js';
import { Line } from './cluster-line.js';
import type { ClusterNode } from './cluster-processes.js';
import { type Command, WireError } from './wire.js';

/** More than it takes to find a node dead: who waits longer is not answered any more. */
const CALL_MS = 2_500;
const QUORUM_MS = 2_000;
/** A client goes back to a node that did not answer after so long. */
const AVOIDED_MS = 10_000;

/** An error without the numbers that differ each time. */
export class CallFailed extends Error {
  /** The node that was asked did not answer at all. */
  readonly isUnanswered: boolean;

  constructor(text: string, isUnanswered: boolean) {
    super(text.replace(/\d{2,}/g, 'N'));
    this.isUnanswered = isUnanswered;
  }
}

/** @throws CallFailed from each of them */
export interface Caller {
  readonly kind: 'plain' | 'routing';
  /** null: there is none. */
  get(key: string): Promise<unknown>;
  /** Without any concern. */
  write(command: Command): Promise<void>;
  /**
   * With a quorum.
   * @param value null: the key is deleted
   * @returns false: there was nothing to delete
   */
  writeSure(key: string, value: string | null): Promise<boolean>;
  end(): Promise<void>;
}

/** Knows nothing of clusters, but for the addresses of nodes: asks one until it fails. */
export class PlainCaller implements Caller {
  readonly kind = 'plain';
  readonly #nodes: () => readonly ClusterNode[];
  /** By node: until when it is not asked, because it did not answer. */
  readonly #avoided = new Map<ClusterNode, number>();
  #at: number;
  #node: ClusterNode | undefined;
  #line: Promise<Line> | undefined;

  /** @param at which of them to ask first */
  constructor(nodes: () => readonly ClusterNode[], at: number) {
    this.#nodes = nodes;
    this.#at = at;
  }

  async get(key: string): Promise<unknown> {
    return (await this.#ask([['GET', key]]))[0];
  }

  async write(command: Command): Promise<void> {
    await this.#ask([command]);
  }

  async writeSure(key: string, value: string | null): Promise<boolean> {
    const write: Command = value === null ? ['DEL', key] : ['SET', key, value];
    const [reply] = await this.#ask([write, ['WAIT', key, 'quorum', QUORUM_MS]]);
    return reply !== 0;
  }

  async end(): Promise<void> {
    await this.#line?.then((line) => line.end()).catch(() => {});
  }

  async #ask(commands: readonly Command[]): Promise<unknown[]> {
    if (this.#line === undefined) {
      this.#node = this.#choose();
      this.#line = Line.open(this.#node.url, CALL_MS);
    }
    const used = this.#line;
    let replies: unknown[];
    try {
      replies = await (await used).call(commands, CALL_MS);
    } catch (error) {
      this.#move(used, true);
      throw new CallFailed(String(error), true);
    }
    const failed = replies.find((reply) => reply instanceof WireError);
    if (failed === undefined) return replies;
    this.#move(used, false);
    throw new CallFailed((failed as WireError).text, false);
  }

  #move(failed: Promise<Line>, isUnanswered: boolean): void {
    // Once for all calls that failed there.
    if (this.#line !== failed) return;
    if (isUnanswered) this.#avoided.set(this.#node!, performance.now() + AVOIDED_MS);
    this.#line = undefined;
    this.#at++;
  }

  #choose(): ClusterNode {
    const now = performance.now();
    const nodes = this.#nodes();
    const answering = nodes.filter((one) => (this.#avoided.get(one) ?? 0) < now);
    const some = answering.length > 0 ? answering : nodes;
    return some[this.#at % some.length]!;
  }
}

/** Our client, with the options for those who want to be answered above all. */
export class RoutingCaller implements Caller {
  static async open(nodes: readonly ClusterNode[]): Promise<RoutingCaller> {
    const urls = nodes.map(({ url }) => url);
    return new RoutingCaller(await connect(urls, { timeout: '3s', hedge: '100ms' }));
  }

  readonly kind = 'routing';
  readonly #client: Client;

  private constructor(client: Client) {
    this.#client = client;
  }

  async get(key: string): Promise<unknown> {
    return (await called(this.#client.get(key))) ?? null;
  }

  async write([name, ...args]: Command): Promise<void> {
    await called(this.#client.send(name as 'SET', ...args));
  }

  async writeSure(key: string, value: string | null): Promise<boolean> {
    const sure = this.#client.with({ concern: 'quorum', deadline: QUORUM_MS });
    if (value === null) return await called(sure.delete(key));
    await called(sure.set(key, value));
    return true;
  }

  end(): Promise<void> {
    return this.#client.close({ wait: false });
  }
}

async function called<T>(result: Promise<T>): Promise<T> {
  try {
    return await result;
  } catch (error) {
    const { code, message } = error as Error & { code: string };
    throw new CallFailed(`${code} ${message}`, code === 'TIMEOUT' || code === 'CONNECTION');
  }
}
