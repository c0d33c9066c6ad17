import type { Arena } from '#engine/arena.js';

export const BOARD_WORDS: number;
export function isRemoved(index: number): boolean;
export class Finder {
  constructor(arena: Arena, board: SharedArrayBuffer, seed: number);
  readonly done: number;
  found: number;
  look(): void;
}
