/** What a client of its own process stands on (member-client.ts): a node, or a thread of one. */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { SocketFactory } from '../../client/socket.js';
import type { MemberGround } from '../../engine/cluster-member.js';
import type { ClusterView } from '../../engine/cluster-view.js';
import { SlabringError } from '../../engine/errors.js';
import { Service, SLOT_COUNT, SlotTable } from '../../engine/slot-table.js';
import type { ClusterConfig } from '../cluster/config.js';
import { joinCluster, type Member, portTo } from '../node-cluster.js';
import type { NodeHooks } from '../node-hooks.js';
import { LocalService, maxMessageBytes, memberFacts } from './local-service.js';

export interface LocalEnd {
  readonly openSocket: SocketFactory;
  readonly view: ClusterView;
  /** Where other nodes reach this one; undefined: it has not joined yet, or is another thread's. */
  readonly address: string | undefined;
  /** @throws SlabringError `OPTION`, `OOM`: it cannot join */
  ready(): Promise<void>;
  /** A port by which one more thread takes part. @throws SlabringError `OPTION` */
  openPort(): MessagePort;
  leave(): Promise<void>;
}

/** The node: its cluster thread is this thread's. */
export class LocalNode implements LocalEnd {
  readonly #ground: MemberGround;
  readonly #service: LocalService;
  readonly #joined: Promise<Member>;
  #address: string | undefined;
  #isAwaited = false;

  constructor(ground: MemberGround, config: ClusterConfig, hooks: Required<NodeHooks>) {
    this.#ground = ground;
    const { arenas } = ground;
    const ports: MessagePort[] = [];
    const port = portTo(ports);
    const facts = memberFacts();
    const serve = { maxMessageBytes: maxMessageBytes(arenas) };
    this.#joined = joinCluster(config, {
      ...{ arenas, facts, serve, port: undefined, ports },
      onWarning: hooks.onWarning,
      onLeaveAsked: hooks.onLeaveAsked,
      onFailure: (error) => {
        this.#serveNothing();
        hooks.onFailure(error);
      },
    });
    this.#joined.then(
      ({ address }) => {
        this.#address = address;
      },
      (error: Error) => {
        if (!this.#isAwaited) hooks.onFailure(error);
      },
    );
    this.#service = new LocalService(arenas, port, { name: config.name, facts }, this.#joined);
  }

  get openSocket(): SocketFactory {
    return this.#service.openSocket;
  }

  get view(): ClusterView {
    return this.#service.view;
  }

  get address(): string | undefined {
    return this.#address;
  }

  ready(): Promise<void> {
    this.#isAwaited = true;
    return this.#service.settled;
  }

  openPort(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    this.#joined.then(
      ({ thread }) => thread.serve(port2),
      () => port2.close(),
    );
    return port1;
  }

  /** Hands over what the others have not, and ends. */
  async leave(): Promise<void> {
    let member: Member;
    try {
      member = await this.#joined;
    } catch {
      // Who waits for `ready`, or the hook, was told why there is nothing to leave.
      this.#service.close();
      return;
    }
    await member.thread.leave();
    await member.thread.stop();
    this.#serveNothing();
    this.#service.close();
  }

  /** Other threads may have the cache open, and find here what they may do. */
  #serveNothing(): void {
    new SlotTable(this.#ground.arenas).setServiceFrom(0, SLOT_COUNT, Service.NONE);
  }
}

/** One more thread of a node, whose cluster thread is another one's. */
export class LocalThread implements LocalEnd {
  readonly address = undefined;
  readonly #service: LocalService;

  /** @param port of `openPort` of the node */
  constructor({ arenas }: MemberGround, port: MessagePort) {
    const own = { name: '', facts: memberFacts() };
    this.#service = new LocalService(arenas, port, own, Promise.resolve());
  }

  get openSocket(): SocketFactory {
    return this.#service.openSocket;
  }

  get view(): ClusterView {
    return this.#service.view;
  }

  ready(): Promise<void> {
    return this.#service.settled;
  }

  openPort(): MessagePort {
    throw new SlabringError('OPTION', 'openPort is for the thread that called openCache');
  }

  async leave(): Promise<void> {
    this.#service.close();
  }
}
