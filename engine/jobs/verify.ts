/** `cache.verify()`. */
import { checkOptionNames } from '../units.js';
import { errorOfFault } from './faults.js';
import type { Jobs } from './jobs.js';
import { checkJobOptions, JOB_OPTIONS, type JobOptions } from './options.js';
import type { BrokenRule } from './verify-part.js';

/**
 * Checks all partitions of all arenas; the first rule that is broken, or undefined.
 * @throws SlabringError as {@link Jobs.run} does
 */
export async function verify(
  jobs: Jobs,
  options: JobOptions = {},
): Promise<BrokenRule | undefined> {
  checkOptionNames(options, JOB_OPTIONS, 'verify');
  checkJobOptions(options);
  const { arenas, facts } = jobs.arenas;
  const slices = arenas.length * (facts.partitions + 1);
  const plan = { job: 'verify', input: undefined, slices, total: slices } as const;
  const { results, failures } = await jobs.run<BrokenRule | undefined>(plan, options);
  if (failures[0] !== undefined) throw errorOfFault(failures[0].fault);
  return results.find(({ result }) => result !== undefined)?.result;
}
