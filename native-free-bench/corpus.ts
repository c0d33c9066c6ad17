/** All cases that are timed, in the order of the report. */
import type { BenchCase } from './case.js';
import { evictCases } from './cases/evict.js';
import { getCases } from './cases/get.js';
import { hotCases } from './cases/hot.js';
import { kernelCases } from './cases/kernel.js';
import { keyCases } from './cases/keys.js';
import { manyCases } from './cases/many.js';
import { setCases } from './cases/set.js';

export const corpus: readonly BenchCase[] = [
  ...kernelCases,
  ...getCases,
  ...hotCases,
  ...setCases,
  ...manyCases,
  ...keyCases,
  ...evictCases,
];
