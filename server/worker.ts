/**
 * A serving thread: attaches to the arena, serves connections until it is told to stop, and ends by
 * itself then.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { RemoteDesk } from './cluster/thread/remote-desk.js';
import { type FrontEnd, loadUws } from './front-end.js';
import { ServingThread } from './serving-thread.js';
import type { FromThread, ThreadStart, ToThread } from './thread-contract.js';

const start = workerData as ThreadStart;
const port = parentPort!;

const { cluster } = start;
const thread = new ServingThread(
  start,
  cluster && ((arenas) => new RemoteDesk(cluster.port, arenas, cluster.name)),
);
// The fallback is loaded only where it serves: it brings a whole HTTP server along.
const frontEnd: FrontEnd =
  start.facts.frontEnd === 'uws'
    ? (await import('./websocket.js')).createUwsFrontEnd(await loadUws(), thread)
    : await (await import('./fallback.js')).createWsFrontEnd(thread, start.listen);

const tell = (message: FromThread) => port.postMessage(message);
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

async function drain(): Promise<void> {
  frontEnd.stopAccepting();
  // Frames that have come but were not read yet are in flight too: they are read in the next turns
  // of the event loop.
  await nextTurn();
  await nextTurn();
  await thread.drain();
  tell({ kind: 'drained' });
  // The thread ends when the last socket has: a closing handshake may still be under way.
  port.unref();
}

/** Drops every connection; the thread ends when the event loop has let go of them. */
async function stop(): Promise<void> {
  frontEnd.stopAccepting();
  frontEnd.close();
  port.unref();
  // Handles are closed in the turn after the one that asked for it.
  await nextTurn();
  await nextTurn();
  noteQuiet();
}

function noteQuiet(): void {
  const quiet = new Int32Array(start.quiet);
  Atomics.store(quiet, start.thread, 1);
  Atomics.notify(quiet, start.thread);
}

process.once('exit', () => {
  thread.arenas.close();
  noteQuiet();
});

process.on('uncaughtException', (error) => {
  tell({ kind: 'failed', reason: describe(error) });
  void stop();
});

/**
 * The message and where it came from, in one line: all that is left of an error when the process
 * has ended.
 */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const place = /^\s+at (.+)$/m.exec(error.stack ?? '')?.[1];
  const message = error.message.replaceAll(/\s*\n\s*/g, ' ');
  return place ? `${message} (at ${place})` : message;
}

port.on('message', (message: ToThread) => {
  void (message.kind === 'drain' ? drain() : stop());
});

const { descriptor, port: listening } = frontEnd;
tell({
  kind: 'ready',
  ...(descriptor !== undefined && { descriptor }),
  ...(listening !== undefined && { port: listening }),
});
