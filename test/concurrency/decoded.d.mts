import type { Cache } from 'slabring';

export const STOP: number;
export const READY: number;
export const COUNTS: number;
export const KEYS: number;
export const BOARD_WORDS: number;
export function keyOf(number: number): string;
export function counterOf(count: number): { count: number };
export class Reader {
  constructor(cache: Cache, words: Int32Array);
  reads: number;
  again: number;
  look(): void;
}
