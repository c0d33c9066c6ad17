/**
 * A worker thread that writes for ever, so fast that it mostly is under some partition's lock, and
 * will be terminated. `workerData`: { handle, frames, larges }: frames that it executes in turn,
 * and after each a value of more than a page that it stores as large ones are (engine/large.ts).
 */
import { parentPort, workerData } from 'node:worker_threads';
import { Arena } from '#engine/arena.js';

const PAGE_PAYLOAD = 64 * 1024 - 16;

const { handle, frames, larges } = workerData;
const { kernel, slot, request, reply, bytes } = Arena.attach(handle);
const words = new Uint32Array(reply.buffer, reply.byteOffset, 16);

function store({ key, value }) {
  request.set(key);
  if (kernel.draftBegin(slot, key.length, value.length, 0, 0, Date.now()) < 0) return;
  const pages = Math.ceil(value.length / PAGE_PAYLOAD);
  if (kernel.draftGrow(slot, pages, Date.now()) !== pages) return;
  for (let page = 0; page < pages; page++) {
    bytes.set(value.subarray(page * PAGE_PAYLOAD, (page + 1) * PAGE_PAYLOAD), words[page]);
  }
  kernel.draftCommit(slot, key.length, 0, 0, 0, 0, Date.now());
}

parentPort.postMessage('ready');
for (let i = 0; ; i = (i + 1) % frames.length) {
  request.set(frames[i]);
  kernel.exec(slot, 0, frames[i].length, Date.now());
  if (larges.length > 0) store(larges[i % larges.length]);
}
