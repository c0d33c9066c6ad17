/**
 * The cluster thread of a node: has the arenas open as the serving threads have, ships their writes
 * to other nodes and applies theirs, and answers what serving threads ask.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { ArenaSet } from '../../../engine/arena-set.js';
import { SlabringError } from '../../../engine/errors.js';
import { ClusterProcess } from './cluster-process.js';
import type { Ask, ClusterStart, FromClusterThread, ToClusterThread, Told } from './contract.js';

/**
 * Takes part in no computation. What links receive is garbage outside of the heap, of which V8 lets
 * come some times as much as the heap has before it collects all of it, some ten milliseconds of
 * several threads; a heap of a few MiB was collected so ten times a second under load. With
 * these numbers, which are not scanned, what comes first is a scavenge, every 32 MiB.
 */
const BALLAST_BYTES = 16 * 1024 * 1024;
const ballast = new Array<number>(BALLAST_BYTES / 8).fill(0.5);

const start = workerData as ClusterStart;
const port = parentPort!;
const tell = (message: FromClusterThread) => port.postMessage(message);

const arenas = ArenaSet.attach(start.arenas);
arenas.startUpkeep();

process.once('exit', () => {
  arenas.close();
  // Until then it is in use.
  ballast.length = 0;
});
// What is left of the thread is ended by the main thread.
process.on('uncaughtException', (error) => {
  const reason = error.stack ?? String(error);
  tell({ kind: 'failed', reason, error: errorOf(error) });
});

const views = new Set<(told: Told) => void>();
const cluster = await ClusterProcess.start(arenas, start, {
  onView: (view) => {
    for (const told of views) told({ kind: 'view', view });
  },
  onWarning: (text) => tell({ kind: 'warning', text }),
  onLeaveAsked: () => tell({ kind: 'leaveAsked' }),
});

/** Answers a serving thread. */
function serve(served: MessagePort): void {
  const answer = (told: Told) => served.postMessage(told);
  served.on('message', (ask: Ask) => {
    const { request } = ask;
    cluster.answer(ask).then(
      (value) => answer({ kind: 'done', request, value: ownBytes(value) }),
      (error: unknown) => answer({ kind: 'failed', request, error: errorOf(error) }),
    );
  });
  views.add(answer);
  served.on('close', () => views.delete(answer));
  answer({ kind: 'view', view: cluster.view });
}

/** Of a view of a larger buffer the whole of it would be sent. */
function ownBytes(value: unknown): unknown {
  return value instanceof Uint8Array ? new Uint8Array(value) : value;
}

function errorOf(error: unknown): { code: SlabringError['code']; message: string } {
  if (error instanceof SlabringError) return { code: error.code, message: error.message };
  return { code: 'INTERNAL', message: String(error) };
}

port.on('message', (message: ToClusterThread) => {
  if (message.kind === 'serve') {
    serve(message.port);
  } else if (message.kind === 'leave') {
    cluster.leave().then(
      (isHandedOver) => tell({ kind: 'left', isHandedOver }),
      (error: unknown) => tell({ kind: 'failed', reason: String(error) }),
    );
  } else {
    void cluster.stop().then(end, end);
  }
});

/** Lets go of what keeps the thread alive. */
function end(): void {
  for (const served of start.ports) served.close();
  port.close();
}

for (const served of start.ports) serve(served);
const isJoined = await cluster.join();
tell({ kind: 'ready', address: cluster.address, isJoined });
