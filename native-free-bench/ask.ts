/** Questions to another process, one at a time, one answer each. */
import type { ChildProcess } from 'node:child_process';
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
  return new Promise((resolve, reject) => {
    const died = (code: number | null, signal: string | null): void => {
      reject(new Error(`its process ended with ${signal ?? `code ${code}`}`));
    };
    if (!child.connected) {
      died(child.exitCode, child.signalCode);
      return;
    }
    child.once('exit', died);
    child.once('message', (reply: Reply) => {
      child.off('exit', died);
      if ('answer' in reply) resolve(reply.answer);
      else reject(reply.unavailable ? new Unavailable(reply.error) : new Error(reply.error));
    });
    child.send(question);
  });
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
