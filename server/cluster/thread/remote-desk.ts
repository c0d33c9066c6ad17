/** The cluster as a serving thread asks it, through a port to the cluster thread. */
import type { MessagePort } from 'node:worker_threads';
import type { ArenaSet } from '../../../engine/arena-set.js';
import { type ClusterView, type Concern, NO_NODE } from '../../../engine/cluster-view.js';
import { SlabringError } from '../../../engine/errors.js';
import { Replica } from '../../../engine/replica.js';
import { slotOf } from '../../../engine/slots.js';
import { emptyView } from '../client-view.js';
import type { ClusterDesk } from '../desk.js';
import type { Ask, Told } from './contract.js';

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: SlabringError) => void;
}

type WithoutRequest<T> = T extends unknown ? Omit<T, 'request'> : never;

export class RemoteDesk implements ClusterDesk {
  view: ClusterView;
  onView = () => {};
  readonly #port: MessagePort;
  readonly #arenas: ArenaSet;
  readonly #replicas: readonly Replica[];
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;
  #isClosed = false;

  /** @param name the cluster's */
  constructor(port: MessagePort, arenas: ArenaSet, name: string) {
    this.#port = port;
    this.#arenas = arenas;
    this.#replicas = arenas.arenas.map((arena) => new Replica(arena));
    this.view = emptyView(name);
    port.on('message', (told: Told) => this.#take(told));
    port.on('close', () => this.#fail());
    // The thread ends by itself when it serves nobody any more.
    port.unref();
  }

  primaryOf(slot: number): number {
    const { slots, copies } = this.view;
    if (!slots) return -1;
    const at = 2 * slot * copies;
    const node = slots[at]! | (slots[at + 1]! << 8);
    return node === NO_NODE ? -1 : node;
  }

  forward(node: number, frame: Uint8Array, waitMs: number): Promise<Uint8Array> {
    const { id } = this.view.nodes[node]!;
    // A copy: of a view of a larger buffer the whole of it would be sent.
    const asked = { kind: 'forward', node: id, frame: new Uint8Array(frame), waitMs } as const;
    return this.#ask(asked) as Promise<Uint8Array>;
  }

  wait(key: Uint8Array, concern: Concern, deadlineMs: number): Promise<number> {
    const arena = this.#arenas.routes?.arenaOf(key) ?? 0;
    const { partition, next } = this.#replicas[arena]!.logPositionOf(key);
    const stream = arena * this.#arenas.facts.partitions + partition;
    const asked = { kind: 'wait', slot: slotOf(key), stream, seq: next, concern, deadlineMs };
    return this.#ask(asked as WithoutRequest<Ask>) as Promise<number>;
  }

  readonly administer = (action: string): Promise<unknown> => {
    return this.#ask({ kind: 'admin', action });
  };

  /** Asks no more. */
  close(): void {
    this.#port.close();
    this.#fail();
  }

  #ask(asked: WithoutRequest<Ask>): Promise<unknown> {
    if (this.#isClosed) return Promise.reject(gone());
    const request = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(request, { resolve, reject });
      // While somebody waits the thread must not end.
      if (this.#waiting.size === 1) this.#port.ref();
      this.#port.postMessage({ ...asked, request } as Ask);
    });
  }

  #take(told: Told): void {
    if (told.kind === 'view') {
      this.view = told.view;
      this.onView();
      return;
    }
    const waiting = this.#waiting.get(told.request);
    this.#waiting.delete(told.request);
    if (this.#waiting.size === 0) this.#port.unref();
    if (told.kind === 'done') waiting?.resolve(told.value);
    else waiting?.reject(new SlabringError(told.error.code, told.error.message));
  }

  #fail(): void {
    this.#isClosed = true;
    for (const { reject } of this.#waiting.values()) reject(gone());
    this.#waiting.clear();
  }
}

function gone(): SlabringError {
  return new SlabringError('UNAVAILABLE', 'the node has left its cluster');
}
