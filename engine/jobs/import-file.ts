/** `cache.importFile()`. */
import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Duration } from '../api.js';
import { SlabringError } from '../errors.js';
import { checkOptionNames, parseDuration } from '../units.js';
import type { SliceFailure } from './contract.js';
import { errorOfFault } from './faults.js';
import { type FileFormat, readFormat, readPath, refuseFile } from './files.js';
import type { Imported } from './import-ndjson.js';
import type { ImportInput } from './input-file.js';
import type { JobOutcome, Jobs } from './jobs.js';
import { checkJobOptions, JOB_OPTIONS, type JobOptions } from './options.js';

/** Options of `importFile`. `onProgress` counts bytes of the file. */
export interface ImportOptions extends JobOptions {
  /** Default: by the file's name, which then ends in .ndjson, .jsonl, .msgpack or .mp. */
  format?: FileFormat;
  /** Time to live of entries that say none. Default: the cache's `ttl`. */
  ttl?: Duration;
}

export interface ImportResult {
  /** Entries stored. */
  readonly entries: number;
  /** Bytes of the file. */
  readonly bytes: number;
  readonly seconds: number;
}

/** An entry of an imported file that could not be stored. `cause` is what was wrong with it. */
export class ImportError extends SlabringError {
  readonly path: string;
  /** Where the entry begins, in bytes from the start of the file. */
  readonly byte: number;
  /** Its line, from 1; `undefined` in a file without lines. */
  readonly line: number | undefined;
  /** Entries that have been stored: all those before it, and perhaps some behind it. */
  readonly entries: number;

  constructor(
    code: SlabringError['code'],
    message: string,
    facts: Pick<ImportError, 'path' | 'byte' | 'line' | 'entries'>,
    options?: ErrorOptions,
  ) {
    super(code, message, options);
    this.path = facts.path;
    this.byte = facts.byte;
    this.line = facts.line;
    this.entries = facts.entries;
  }
}

const OPTION_NAMES = [
  ...JOB_OPTIONS,
  'format',
  'ttl',
] as const satisfies readonly (keyof ImportOptions)[];

/** Large enough to cost little beside the work, small enough that no thread is left with much. */
const MOST_SLICE_BYTES = 2 * 1024 * 1024;
const LEAST_SLICE_BYTES = 64 * 1024;
/** At least so many slices of a larger file. */
const SLICES = 64;

/**
 * Stores the entries of a file.
 * @param defaultTtlMs for entries that say no time to live, when the options do not either
 * @param sliceBytes for tests: how much of the file a thread takes at a time
 * @throws ImportError for a wrong entry; SlabringError `OPTION`, and as {@link Jobs.run} does
 */
export async function importFile(
  jobs: Jobs,
  file: string | URL,
  options: ImportOptions,
  defaultTtlMs: number,
  sliceBytes?: number,
): Promise<ImportResult> {
  checkOptionNames(options, OPTION_NAMES, 'importFile');
  checkJobOptions(options);
  const path = readPath(file, 'importFile');
  const format = readFormat(options.format, path);
  const ttlMs = options.ttl === undefined ? defaultTtlMs : parseDuration(options.ttl, 'ttl');
  const startedMs = performance.now();
  const { size: bytes, ino: inode } = await lookAt(path);
  const input: ImportInput = {
    ...{ path, inode, bytes, ttlMs },
    sliceBytes: sliceBytes ?? sliceFor(bytes),
  };
  const slices = Math.ceil(bytes / input.sliceBytes);
  const job = format === 'ndjson' ? 'importNdjson' : 'importMsgpack';
  const plan = { job, input, slices, total: bytes } as const;
  const outcome = await jobs.run<Imported>(plan, options);
  const entries =
    outcome.results.reduce((sum, { result }) => sum + result.entries, 0) +
    outcome.failures.reduce((sum, { fault }) => sum + (fault.place?.entries ?? 0), 0);
  const [failure] = outcome.failures;
  if (failure !== undefined) throw errorOf(failure, outcome, path, entries);
  return { entries, bytes, seconds: (performance.now() - startedMs) / 1000 };
}

/** @throws SlabringError `OPTION` */
async function lookAt(path: string): Promise<Stats> {
  const facts = await stat(path).catch((error: unknown) =>
    refuseFile('importFile', 'read', path, error),
  );
  if (facts.isFile()) return facts;
  throw new SlabringError('OPTION', `importFile reads regular files only, which ${path} is not`);
}

function sliceFor(bytes: number): number {
  return Math.min(Math.max(Math.ceil(bytes / SLICES), LEAST_SLICE_BYTES), MOST_SLICE_BYTES);
}

function errorOf(
  { slice, fault }: SliceFailure,
  outcome: JobOutcome<Imported>,
  path: string,
  entries: number,
): Error {
  const error = errorOfFault(fault);
  const { place } = fault;
  if (place === undefined) return error;
  const { byte } = place;
  const linesBefore = outcome.results
    .filter((done) => done.slice < slice)
    .reduce((sum, { result }) => sum + result.lines, 0);
  const line = place.line === undefined ? undefined : linesBefore + place.line;
  const where = line === undefined ? `byte ${byte}` : `line ${line}, byte ${byte}`;
  return new ImportError(
    // What is a wrong argument of `set` is a wrong text here.
    error.code === 'OPTION' ? 'SYNTAX' : error.code,
    `${path}, ${where}: ${fault.message}`,
    { path, byte, line, entries },
    { cause: error },
  );
}
