/** A contestant in a process of its own. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { ask } from './ask.js';
import type { BenchCase, Contestant, Setting } from './case.js';
import type { Answers, Question } from './process-contract.js';

const PROCESS = fileURLToPath(new URL('./contestant-process.js', import.meta.url));

export async function openRemote(
  benchCase: BenchCase,
  contestant: string,
  setting: Setting,
): Promise<Contestant> {
  const child = fork(PROCESS, { execArgv: ['--expose-gc'] });
  try {
    await put(child, { ask: 'open', caseName: benchCase.name, contestant, setting });
  } catch (error) {
    if (child.connected) child.disconnect();
    throw error;
  }
  return {
    gate: () => put(child, { ask: 'gate' }),
    slice: (ms) => put(child, { ask: 'slice', ms }),
    async finish() {
      const exited = once(child, 'exit');
      const finish = await put(child, { ask: 'finish' });
      await exited;
      return finish;
    },
  };
}

function put<Q extends Question>(child: ChildProcess, question: Q): Promise<Answers[Q['ask']]> {
  return ask(child, question) as Promise<Answers[Q['ask']]>;
}
