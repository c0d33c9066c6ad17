/**
 * What a bench and the process of one of its contestants say to each other: one question at a time,
 * one answer each.
 */
import type { Finish, Gate, Setting, Slice } from './case.js';

export type Question =
  | {
      readonly ask: 'open';
      readonly caseName: string;
      readonly contestant: string;
      readonly setting: Setting;
    }
  | { readonly ask: 'gate' }
  | { readonly ask: 'slice'; readonly ms: number }
  | { readonly ask: 'finish' };

/** The type of the answer to each question. */
export interface Answers {
  open: null;
  gate: Gate;
  slice: Slice;
  finish: Finish;
}
