/** An embedded cache in a process of its own, as a holder of entries. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Policy } from '../../engine/arena.js';
import { ask } from '../ask.js';
import { slabringVersion } from '../environment.js';
import { budgetOf, type Holder } from './holder.js';

const PROCESS = fileURLToPath(new URL('./embedded-process.js', import.meta.url));

/** What the process is asked. */
export type EmbeddedQuestion =
  /** Runs all code once on a small cache, which it closes. */
  | { readonly do: 'warmUp' }
  /** Opens a cache and fills it. */
  | {
      readonly do: 'fill';
      readonly policy: Policy;
      readonly memory: number;
      readonly entries: number;
    }
  /** Reads every entry, and answers how many it found right. */
  | { readonly do: 'readBack' };

/**
 * Starts the process. Its code is compiled and its buffers are there before its memory is first
 * looked at; the cache is opened after that.
 */
export async function startEmbedded(policy: Policy, entries: number): Promise<Holder> {
  const child = fork(PROCESS, { execArgv: ['--expose-gc'] });
  const put = (question: EmbeddedQuestion): Promise<unknown> => ask(child, question);
  const stop = async (): Promise<void> => {
    if (!child.connected) return;
    const exited = once(child, 'exit');
    child.disconnect();
    await exited;
  };
  try {
    await put({ do: 'warmUp' });
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    version: slabringVersion(),
    pid: child.pid!,
    async fill() {
      await put({ do: 'fill', policy, memory: budgetOf(entries), entries });
    },
    readBack: () => put({ do: 'readBack' }) as Promise<number>,
    stop,
  };
}
