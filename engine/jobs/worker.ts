/**
 * What the threads of the pool run (piscina calls the default export with each task): attach to the
 * arenas, do slices until none is left, detach. Between jobs a thread holds nothing, so it may end
 * at any time.
 */
import { parentPort, threadId } from 'node:worker_threads';
import { ArenaSet } from '../arena-set.js';
import type { Job, JobTask, SliceDone, SliceResult, TaskReport } from './contract.js';
import { JobControl } from './control.js';
import { packFault } from './faults.js';
import { JOBS, type JobName } from './table.js';

export default function runTask(task: JobTask): TaskReport<unknown> {
  const control = new JobControl(task.control);
  control.enter(task.index, threadId);
  let arenas: ArenaSet;
  try {
    arenas = ArenaSet.attach(task.handle);
  } catch (error) {
    return { refusal: packFault(error), results: [], failure: undefined };
  }
  try {
    return doSlices(task, arenas, control);
  } finally {
    arenas.close();
  }
}

function doSlices(task: JobTask, arenas: ArenaSet, control: JobControl): TaskReport<unknown> {
  const results: SliceResult<unknown>[] = [];
  const open = JOBS[task.job as JobName] as Job<unknown, unknown>;
  const progress = (done: number): void => {
    parentPort?.postMessage({ job: task.id, done } satisfies SliceDone);
  };
  let slice = 0;
  try {
    const run = open({ arenas, input: task.input, control, progress });
    for (let next = control.take(); next !== undefined; next = control.take()) {
      slice = next;
      results.push({ slice, result: run(slice) });
    }
    return { refusal: undefined, results, failure: undefined };
  } catch (error) {
    control.endAfter(slice);
    return { refusal: undefined, results, failure: { slice, fault: packFault(error) } };
  }
}
