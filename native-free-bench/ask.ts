/** Questions to another process or thread, one at a time, one answer each. */
import type { ChildProcess } from 'node:child_process';
import type { EventEmitter } from 'node:events';
import type { Worker } from 'node:worker_threads';
import { Unavailable } from './case.js';

/** What comes back: an answer, or why there is none. */
export type Reply =
  | { readonly answer: unknown }
  | { readonly error: string; readonly unavailable: boolean };

/**
 * Asks a forked process something and waits for its answer.
 * @throws the error that it replies with, or one that says how the process ended
 */
export function ask(child: ChildProcess, question: object): Promise<unknown> {
  if (!child.connected) return Promise.reject(endOf(child.exitCode, child.signalCode));
  return answerOf(child, () => child.send(question));
}

/** The same with a thread. */
export function askThread(worker: Worker, question: object): Promise<unknown> {
  return answerOf(worker, () => worker.postMessage(question));
}

function answerOf(peer: EventEmitter, send: () => void): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      peer.off('exit', died).off('error', failed).off('message', replied);
    };
    const died = (code: number | null, signal?: string | null): void => {
      settle();
      reject(endOf(code, signal));
    };
    const failed = (error: Error): void => {
      settle();
      reject(error);
    };
    const replied = (reply: Reply): void => {
      settle();
      if ('answer' in reply) resolve(reply.answer);
      else reject(reply.unavailable ? new Unavailable(reply.error) : new Error(reply.error));
    };
    peer.on('exit', died).on('error', failed).on('message', replied);
    send();
  });
}

function endOf(code: number | null, signal?: string | null): Error {
  return new Error(`it ended with ${signal ?? `code ${code}`}`);
}

/** The other side: what comes of answering, as a reply. */
export async function replyOf(answer: () => unknown): Promise<Reply> {
  try {
    return { answer: (await answer()) ?? null };
  } catch (error) {
    return {
      error: error instanceof Error ? error.message : String(error),
      unavailable: error instanceof Unavailable,
    };
  }
}
