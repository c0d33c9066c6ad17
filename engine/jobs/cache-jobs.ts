/** The jobs of a cache, as its methods call them. */
import type { ArenaSet } from '../arena-set.js';
import { type ExportOptions, type ExportResult, exportFile } from './export-file.js';
import { type ImportOptions, type ImportResult, importFile } from './import-file.js';
import { Jobs } from './jobs.js';
import type { JobOptions } from './options.js';
import { verify } from './verify.js';
import type { BrokenRule } from './verify-part.js';

export type { BrokenRule, ExportOptions, ExportResult, ImportOptions, ImportResult, JobOptions };

export class CacheJobs {
  readonly #jobs: Jobs;
  readonly #defaultTtlMs: number;

  constructor(arenas: ArenaSet, defaultTtlMs: number) {
    this.#jobs = new Jobs(arenas);
    this.#defaultTtlMs = defaultTtlMs;
  }

  verify(options: JobOptions = {}): Promise<BrokenRule | undefined> {
    return verify(this.#jobs, options);
  }

  importFile(path: string | URL, options: ImportOptions = {}): Promise<ImportResult> {
    return importFile(this.#jobs, path, options, this.#defaultTtlMs);
  }

  exportFile(path: string | URL, options: ExportOptions = {}): Promise<ExportResult> {
    return exportFile(this.#jobs, path, options);
  }

  /** Gives up what is under way. */
  close(): void {
    this.#jobs.close();
  }
}
