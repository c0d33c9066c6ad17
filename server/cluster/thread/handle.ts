/** The cluster thread as the main thread of a node sees it: started, told to leave and to end. */
import { type MessagePort, Worker } from 'node:worker_threads';
import { SlabringError } from '../../../engine/errors.js';
import type { ClusterStart, FromClusterThread, ToClusterThread } from './contract.js';

/** Beyond the time for handing over, for saying goodbye. */
const GOODBYE_MS = 3_000;
const STOP_MS = 3_000;

export interface ClusterThreadHooks {
  onWarning(text: string): void;
  /** Somebody wants the node to leave, and end. */
  onLeaveAsked(): void;
  /** It has ended without having been asked to: the node is in no cluster any more. */
  onFailure(error: Error): void;
}

export class ClusterThread {
  /** Resolves when it takes part in the cluster; rejects when it cannot. */
  readonly ready: Promise<{ address: string; isJoined: boolean }>;
  readonly #worker: Worker;
  readonly #ended: Promise<void>;
  readonly #left: Promise<boolean>;
  readonly #leaveTimeoutMs: number;
  #mayEnd = false;

  constructor(start: ClusterStart, hooks: ClusterThreadHooks) {
    const worker = new Worker(new URL('./worker.js', import.meta.url), {
      workerData: start,
      transferList: [...start.ports] as MessagePort[],
      name: 'slabring-cluster',
    });
    this.#worker = worker;
    this.#leaveTimeoutMs = start.config.leaveTimeoutMs;
    this.#ended = new Promise((resolve) => worker.once('exit', () => resolve()));
    this.#left = new Promise((resolve) => {
      worker.on('message', (message: FromClusterThread) => {
        if (message.kind === 'left') resolve(message.isHandedOver);
      });
    });
    this.ready = new Promise((resolve, reject) => {
      let isReady = false;
      const fail = (error: Error) => {
        if (this.#mayEnd) return;
        this.#mayEnd = true;
        void worker.terminate();
        if (isReady) hooks.onFailure(error);
        else reject(error);
      };
      worker.on('message', (message: FromClusterThread) => {
        if (message.kind === 'warning') hooks.onWarning(message.text);
        if (message.kind === 'leaveAsked') hooks.onLeaveAsked();
        if (message.kind === 'failed') fail(asError(message));
        if (message.kind !== 'ready') return;
        isReady = true;
        resolve(message);
      });
      worker.once('error', (error: Error) => fail(failure(error.message)));
      worker.once('exit', (code) => fail(failure(`ended by itself with code ${code}`)));
    });
  }

  /** Answers one more serving thread, which has the other end of the port. */
  serve(port: MessagePort): void {
    this.#worker.postMessage({ kind: 'serve', port } satisfies ToClusterThread, [port]);
  }

  /** Hands over what the node has, and says goodbye; whether others have everything. */
  async leave(): Promise<boolean> {
    if (this.#mayEnd) return false;
    this.#say({ kind: 'leave' });
    const late = timer(this.#leaveTimeoutMs + GOODBYE_MS);
    const isHandedOver = await Promise.race([this.#left, late.promise, this.#ended]);
    late.cancel();
    return isHandedOver === true;
  }

  async stop(): Promise<void> {
    this.#mayEnd = true;
    this.#say({ kind: 'stop' });
    const late = timer(STOP_MS);
    await Promise.race([this.#ended, late.promise]);
    late.cancel();
    await this.#worker.terminate();
  }

  #say(message: ToClusterThread): void {
    this.#worker.postMessage(message);
  }
}

function failure(reason: string): SlabringError {
  return new SlabringError('INTERNAL', `the cluster thread failed: ${reason}`);
}

/** What an option or a port was wrong with keeps its code. */
function asError({ reason, error }: Extract<FromClusterThread, { kind: 'failed' }>): SlabringError {
  const code = error?.code;
  if (code === 'OPTION' || code === 'OOM') return new SlabringError(code, error!.message);
  return failure(reason);
}

function timer(ms: number): { promise: Promise<void>; cancel: () => void } {
  let cancel = () => {};
  const promise = new Promise<void>((resolve) => {
    const handle = setTimeout(resolve, ms);
    cancel = () => clearTimeout(handle);
  });
  return { promise, cancel };
}
