/**
 * The process of one contestant. Ends when it has finished, or when the bench that started it is
 * gone.
 */
import { replyOf } from './ask.js';
import type { Contestant } from './case.js';
import { corpus } from './corpus.js';
import type { Answers, Question } from './process-contract.js';

let contestant: Contestant | undefined;
let isFinished = false;
/** Ends with the answer to the last question. */
let busy: Promise<unknown> = Promise.resolve();

async function answer(question: Question): Promise<Answers[keyof Answers]> {
  if (question.ask === 'open') {
    const found = corpus.find(({ name }) => name === question.caseName);
    if (found === undefined) throw new Error(`there is no case ${question.caseName}`);
    contestant = await found.open(question.contestant, question.setting);
    return null;
  }
  if (contestant === undefined) throw new Error(`${question.ask} of what is not open`);
  switch (question.ask) {
    case 'gate':
      return contestant.gate();
    case 'slice':
      return contestant.slice(question.ms);
    case 'finish':
      isFinished = true;
      return contestant.finish();
  }
}

process.on('message', (question: Question) => {
  busy = replyOf(() => answer(question)).then((message) => {
    if (!process.connected) return;
    process.send!(message, undefined, undefined, () => {
      if (isFinished) process.disconnect();
    });
  });
});

// Ctrl-C reaches this process as well as the bench; when that has ended there are temporary files
// to take away.
process.on('SIGINT', () => {});
process.on('disconnect', () => {
  const done = busy.then(() => (isFinished ? undefined : contestant?.finish()));
  void done.finally(() => process.exit());
});
