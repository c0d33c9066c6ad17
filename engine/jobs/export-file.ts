/** `cache.exportFile()`. */
import { randomBytes } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import { checkOptionNames } from '../units.js';
import type { Exported, ExportInput } from './export-entries.js';
import { errorOfFault } from './faults.js';
import { type FileFormat, readFormat, readPath, refuseFile } from './files.js';
import type { Jobs } from './jobs.js';
import { checkJobOptions, JOB_OPTIONS, type JobOptions } from './options.js';

/** Options of `exportFile`. `onProgress` counts entries; how many there will be is a guess. */
export interface ExportOptions extends Omit<JobOptions, 'threads'> {
  /** Default: by the file's name, which then ends in .ndjson, .jsonl, .msgpack or .mp. */
  format?: FileFormat;
}

export interface ExportResult {
  /** Entries written. */
  readonly entries: number;
  /** Bytes of the file. */
  readonly bytes: number;
  readonly seconds: number;
}

const OPTION_NAMES = [
  ...JOB_OPTIONS.filter((name) => name !== 'threads'),
  'format',
] as const satisfies readonly (keyof ExportOptions)[];

/**
 * Writes all entries but collections into a file, which is there only once it is complete.
 * @throws SlabringError `OPTION`; `WRONGTYPE` for an entry that the format has no form for; as
 *   {@link Jobs.run} does
 */
export async function exportFile(
  jobs: Jobs,
  file: string | URL,
  options: ExportOptions,
): Promise<ExportResult> {
  checkOptionNames(options, OPTION_NAMES, 'exportFile');
  checkJobOptions(options);
  const path = readPath(file, 'exportFile');
  const format = readFormat(options.format, path);
  const startedMs = performance.now();
  // Beside it, so that it can be renamed.
  const draft = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  const input: ExportInput = { path, draft, format };
  const total = jobs.arenas.stats().entries;
  try {
    const plan = { job: 'exportEntries', input, slices: 1, total } as const;
    const { results, failures } = await jobs.run<Exported>(plan, options);
    const [failure] = failures;
    if (failure !== undefined) throw errorOfFault(failure.fault);
    await rename(draft, path).catch((error: unknown) =>
      refuseFile('exportFile', 'write', path, error),
    );
    const { entries, bytes } = results[0]!.result;
    return { entries, bytes, seconds: (performance.now() - startedMs) / 1000 };
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}
