/** The cluster as a process that is a member of it has it: `cache.cluster`. */
import type { MessagePort } from 'node:worker_threads';
import { Client } from '../../client/client.js';
import type { ServerFacts } from '../../client/connection.js';
import type { Duration, Key } from '../../engine/api.js';
import type { MemberGround, Membership } from '../../engine/cluster-member.js';
import type { ClusterView } from '../../engine/cluster-view.js';
import { SlabringError } from '../../engine/errors.js';
import { MemberRoutes } from '../../engine/member-routes.js';
import type { LocalEnd } from './local-node.js';

/** Nobody dials it: it stands in messages. */
const LOCAL_URL = 'ws://this-process';

/**
 * A client of the node in its own process: every method of `Client`. Commands on keys that this
 * member owns are executed in this thread, without a network; others go to their owners.
 */
export class MemberClient extends Client implements Membership {
  readonly #node: LocalEnd;
  readonly #ground: MemberGround;
  readonly #reading: MemberRoutes;
  readonly #writing: MemberRoutes;
  #closing: Promise<void> | undefined;

  /** Use `openCache` or `attachCache`. */
  constructor(node: LocalEnd, ground: MemberGround, timeout: Duration | undefined) {
    super(LOCAL_URL, {
      ttl: ground.defaultTtlMs,
      ...(timeout !== undefined && { timeout }),
      // Joining has deadlines of its own.
      connectTimeout: 0,
      // The node in this process has the others do what is theirs.
      routes: false,
      socketFactory: node.openSocket,
    });
    this.#node = node;
    this.#ground = ground;
    this.#reading = new MemberRoutes(ground.arenas, false);
    this.#writing = new MemberRoutes(ground.arenas, true);
  }

  /** Who has which keys, as this member knows it. */
  get view(): ClusterView {
    return this.#node.view;
  }

  /** Where other nodes reach this one: a seed for them. undefined: it has not joined yet. */
  get address(): string | undefined {
    return this.#node.address;
  }

  canRead(key: Key): boolean {
    return this.#reading.has(key);
  }

  canWrite(key: Key): boolean {
    return this.#writing.has(key);
  }

  /**
   * A port for one more thread, to be transferred to it: with `memberThread(port)` that one has a
   * `cache.cluster`, too.
   * @throws SlabringError `OPTION` in a thread that has come so itself
   */
  openPort(): MessagePort {
    return this.#node.openPort();
  }

  override async ready(): Promise<ServerFacts> {
    await this.#node.ready();
    return await super.ready();
  }

  /**
   * Not in a cluster yet.
   * @throws SlabringError `OPTION`
   */
  override async clear(): Promise<void> {
    const why = 'other members would give back their copies';
    throw new SlabringError('OPTION', `clear is not for a member of a cluster: ${why}`);
  }

  override close(options?: { wait?: boolean }): Promise<void> {
    this.#closing ??= this.#leave(options);
    return this.#closing;
  }

  async #leave(options?: { wait?: boolean }): Promise<void> {
    this.#ground.closeCache();
    await super.close(options);
    await this.#node.leave();
  }
}
