/**
 * What serves one thread of a process that is a member of a cluster: what serves clients on a node,
 * with one client, which is the thread itself.
 */
import { randomBytes } from 'node:crypto';
import type { MessagePort } from 'node:worker_threads';
import type { SocketFactory } from '../../client/socket.js';
import type { ArenaSet } from '../../engine/arena-set.js';
import { type ClusterView, NO_NODE } from '../../engine/cluster-view.js';
import { RemoteDesk } from '../cluster/thread/remote-desk.js';
import { createCounters } from '../counters.js';
import { DEFAULT_MAX_BACKLOG_BYTES, FRAME_OVERHEAD_BYTES } from '../limits.js';
import { ServingThread } from '../serving-thread.js';
import { SOFTWARE_VERSION } from '../software.js';
import type { NodeFacts } from '../thread-contract.js';
import { openLocalSocket } from './local-socket.js';

/**
 * A member knows within some gossip rounds who serves what. Where nobody serves some slots for
 * longer, others are dead, and it is better to go on with the slots that there are.
 */
const SETTLE_MS = 5_000;

/** Of a member that starts now. */
export function memberFacts(): NodeFacts {
  return {
    nodeId: randomBytes(8).toString('hex'),
    software: SOFTWARE_VERSION,
    startedAtMs: Date.now(),
    frontEnd: 'ws',
  };
}

export class LocalService {
  /** Sockets to this member; they open when slots are served, so that early commands wait. */
  readonly openSocket: SocketFactory = async (_url, _subprotocol, events) => {
    await this.settled;
    return openLocalSocket(this.#serving, events);
  };
  /** Resolves when every slot is served, or it has taken too long; rejects as `joined`. */
  readonly settled: Promise<void>;
  readonly #desk: RemoteDesk;
  readonly #serving: ServingThread;
  #onView: () => void = () => {};

  /**
   * @param port to the cluster thread
   * @param name the cluster's
   * @param joined resolves when the cluster thread takes part
   */
  constructor(
    arenas: ArenaSet,
    port: MessagePort,
    { name, facts }: { name: string; facts: NodeFacts },
    joined: Promise<unknown>,
  ) {
    const start = {
      ...{ arenas: arenas.handle, facts, thread: 0, counters: createCounters(1) },
      config: {
        ...{ host: '', port: 0, unix: undefined, threads: 1, frontEnd: 'ws' as const },
        ...{ tokenDigest: undefined, allowOrigins: [] },
        maxMessageBytes: maxMessageBytes(arenas),
        maxBacklogBytes: DEFAULT_MAX_BACKLOG_BYTES,
      },
      quiet: new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT),
      listen: { address: '', port: 0, sharePort: false, unix: undefined },
    };
    let desk: RemoteDesk | undefined;
    this.#serving = new ServingThread(start, (own) => {
      desk = new RemoteDesk(port, own, name);
      return desk;
    });
    this.#desk = desk!;
    const push = this.#desk.onView;
    this.#desk.onView = () => {
      push();
      this.#onView();
    };
    this.settled = joined.then(() => this.#settle());
    // Who waits for it is told; who waits for `joined`, too.
    this.settled.catch(() => {});
  }

  get view(): ClusterView {
    return this.#desk.view;
  }

  close(): void {
    this.#serving.cluster!.pushes.stop();
    this.#desk.close();
    this.#serving.arenas.close();
  }

  #settle(): Promise<void> {
    return new Promise((resolve) => {
      const settle = () => {
        clearTimeout(timer);
        this.#onView = () => {};
        resolve();
      };
      const timer = setTimeout(settle, SETTLE_MS);
      this.#onView = () => {
        if (isServed(this.view)) settle();
      };
      this.#onView();
    });
  }
}

/** Of a frame with one largest value. */
export function maxMessageBytes({ facts }: ArenaSet): number {
  return facts.maxValueBytes + FRAME_OVERHEAD_BYTES;
}

/** Whether this node takes part, and some node runs the commands of each slot. */
function isServed({ self, slots, copies }: ClusterView): boolean {
  if (self < 0 || slots === undefined) return false;
  for (let at = 0; at < slots.length; at += 2 * copies) {
    if ((slots[at]! | (slots[at + 1]! << 8)) === NO_NODE) return false;
  }
  return true;
}
