/** A serving thread: attaches to the arena, serves connections until it is told to stop, and ends by itself then. */
import { parentPort, workerData } from 'node:worker_threads';
import { type FrontEnd, loadUws } from './front-end.js';
import { ServingThread } from './serving-thread.js';
import type { FromThread, ThreadStart, ToThread } from './thread-contract.js';

const start = workerData as ThreadStart;
const port = parentPort!;

const thread = new ServingThread(start);
// The fallback is loaded only where it serves: it brings a whole HTTP server along.
const frontEnd: FrontEnd =
  start.facts.frontEnd === 'uws'
    ? (await import('./websocket.js')).createUwsFrontEnd(await loadUws(), thread)
    : await (await import('./fallback.js')).createWsFrontEnd(thread, start.listen);

const tell = (message: FromThread) => port.postMessage(message);

async function drain(): Promise<void> {
  frontEnd.stopAccepting();
  // Frames that have come but were not read yet are in flight too: they are read in the next turns of the event loop.
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  await thread.drain();
  tell({ kind: 'drained' });
  // The thread ends when the last socket has: a closing handshake may still be under way.
  port.unref();
}

process.once('exit', () => thread.arena.close());

port.on('message', (message: ToThread) => {
  if (message.kind === 'drain') {
    void drain();
    return;
  }
  frontEnd.close();
  port.unref();
});

const { descriptor, port: listening } = frontEnd;
tell({
  kind: 'ready',
  ...(descriptor !== undefined && { descriptor }),
  ...(listening !== undefined && { port: listening }),
});
