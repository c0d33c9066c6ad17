/** All jobs, by the names that tasks call them by. Later ones are added here. */
import { exportEntries } from './export-entries.js';
import { importMsgpack } from './import-msgpack.js';
import { importNdjson } from './import-ndjson.js';
import { verifyPart } from './verify-part.js';

export const JOBS = {
  verify: verifyPart,
  importNdjson,
  importMsgpack,
  exportEntries,
} as const;

export type JobName = keyof typeof JOBS;
