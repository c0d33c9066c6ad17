/**
 * The node that an embedded cache is: a cluster thread, and in the calling thread what serves
 * clients elsewhere, with one client, which is this thread.
 */
import { randomBytes } from 'node:crypto';
import type { MessagePort } from 'node:worker_threads';
import type { SocketFactory } from '../../client/socket.js';
import type { MemberGround } from '../../engine/cluster-member.js';
import { type ClusterView, NO_NODE } from '../../engine/cluster-view.js';
import { Service, SLOT_COUNT, SlotTable } from '../../engine/slot-table.js';
import type { ClusterConfig } from '../cluster/config.js';
import { RemoteDesk } from '../cluster/thread/remote-desk.js';
import { createCounters } from '../counters.js';
import { DEFAULT_MAX_BACKLOG_BYTES, FRAME_OVERHEAD_BYTES } from '../limits.js';
import { joinCluster, type Member, portTo } from '../node-cluster.js';
import { ServingThread } from '../serving-thread.js';
import { SOFTWARE_VERSION } from '../software.js';
import { openLocalSocket } from './local-socket.js';

/**
 * A member knows within some gossip rounds who serves what. Where nobody serves some slots for
 * longer, others are dead, and it is better to go on with the slots that there are.
 */
const SETTLE_MS = 5_000;

export interface LocalNodeHooks {
  onWarning(text: string): void;
  onFailure(error: Error): void;
  onLeaveAsked(): void;
}

export class LocalNode {
  /** Sockets to this node; they open when slots are served, so that early commands wait. */
  readonly openSocket: SocketFactory = async (_url, _subprotocol, events) => {
    await this.#settled;
    return openLocalSocket(this.#serving, events);
  };
  readonly #ground: MemberGround;
  readonly #desk: RemoteDesk;
  readonly #serving: ServingThread;
  readonly #joined: Promise<Member>;
  readonly #settled: Promise<void>;
  #address: string | undefined;
  #isAwaited = false;
  #onView: () => void = () => {};

  constructor(ground: MemberGround, config: ClusterConfig, hooks: LocalNodeHooks) {
    this.#ground = ground;
    const { arenas } = ground;
    const ports: MessagePort[] = [];
    const port = portTo(ports);
    const facts = {
      nodeId: randomBytes(8).toString('hex'),
      software: SOFTWARE_VERSION,
      startedAtMs: Date.now(),
      frontEnd: 'ws',
    } as const;
    const serve = {
      ...{ host: config.peerHost, port: 0, unix: undefined, threads: 1, frontEnd: 'ws' as const },
      ...{ tokenDigest: undefined, allowOrigins: [] },
      maxMessageBytes: arenas.facts.maxValueBytes + FRAME_OVERHEAD_BYTES,
      maxBacklogBytes: DEFAULT_MAX_BACKLOG_BYTES,
    };
    let desk: RemoteDesk | undefined;
    this.#serving = new ServingThread(
      {
        ...{ arenas: arenas.handle, config: serve, facts, thread: 0, counters: createCounters(1) },
        quiet: new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT),
        listen: { address: '', port: 0, sharePort: false, unix: undefined },
      },
      (own) => {
        desk = new RemoteDesk(port, own, config.name);
        return desk;
      },
    );
    this.#desk = desk!;
    const push = this.#desk.onView;
    this.#desk.onView = () => {
      push();
      this.#onView();
    };
    this.#joined = joinCluster(config, {
      ...{ arenas, facts, serve, port: undefined, ports },
      onWarning: hooks.onWarning,
      onLeaveAsked: hooks.onLeaveAsked,
      onFailure: (error) => {
        this.#serveNothing();
        hooks.onFailure(error);
      },
    });
    this.#settled = this.#joined.then(() => this.#settle());
    this.#joined.then(
      ({ address }) => {
        this.#address = address;
      },
      (error: Error) => {
        if (!this.#isAwaited) hooks.onFailure(error);
      },
    );
  }

  /** Where other nodes reach this one; undefined: it has not joined yet. */
  get address(): string | undefined {
    return this.#address;
  }

  get view(): ClusterView {
    return this.#desk.view;
  }

  /** @throws SlabringError `OPTION`, `OOM`: it cannot join */
  async ready(): Promise<void> {
    this.#isAwaited = true;
    await this.#settled;
  }

  /** Hands over what the others have not, and ends. */
  async leave(): Promise<void> {
    let member: Member;
    try {
      member = await this.#joined;
    } catch {
      // Who waits for `ready`, or the hook, was told why there is nothing to leave.
      this.#serving.arenas.close();
      return;
    }
    await member.thread.leave();
    await member.thread.stop();
    this.#serveNothing();
    this.#serving.cluster!.pushes.stop();
    this.#serving.arenas.close();
  }

  /** Resolves when every slot is served, or it has taken too long. */
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

  /** Other threads may have the cache open, and find here what they may do. */
  #serveNothing(): void {
    new SlotTable(this.#ground.arenas).setServiceFrom(0, SLOT_COUNT, Service.NONE);
  }
}

/** Whether this node takes part, and some node runs the commands of each slot. */
function isServed({ self, slots, copies }: ClusterView): boolean {
  if (self < 0 || slots === undefined) return false;
  for (let at = 0; at < slots.length; at += 2 * copies) {
    if ((slots[at]! | (slots[at + 1]! << 8)) === NO_NODE) return false;
  }
  return true;
}
