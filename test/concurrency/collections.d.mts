import type { Caller } from './caller.mjs';

export const QUEUES: readonly string[];
export const RINGS: readonly string[];
export const BAGS: readonly string[];
export const TOKENS: number;
export const WHOLE: string;
export const FIELDS: number;
export function prepare(caller: Caller): void;
