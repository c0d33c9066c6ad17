/** A contestant in a process of its own. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type BenchCase, type Contestant, type Setting, Unavailable } from './case.js';
import type { Answers, Question, Reply } from './process-contract.js';

const PROCESS = fileURLToPath(new URL('./contestant-process.js', import.meta.url));

export async function openRemote(
  benchCase: BenchCase,
  contestant: string,
  setting: Setting,
): Promise<Contestant> {
  const child = fork(PROCESS, { execArgv: ['--expose-gc'] });
  try {
    await ask(child, { ask: 'open', caseName: benchCase.name, contestant, setting });
  } catch (error) {
    if (child.connected) child.disconnect();
    throw error;
  }
  return {
    gate: () => ask(child, { ask: 'gate' }),
    slice: (ms) => ask(child, { ask: 'slice', ms }),
    async finish() {
      const exited = once(child, 'exit');
      const finish = await ask(child, { ask: 'finish' });
      await exited;
      return finish;
    },
  };
}

function ask<Q extends Question>(child: ChildProcess, question: Q): Promise<Answers[Q['ask']]> {
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
      if ('answer' in reply) resolve(reply.answer as Answers[Q['ask']]);
      else reject(reply.unavailable ? new Unavailable(reply.error) : new Error(reply.error));
    });
    child.send(question);
  });
}
