export const STOP: number;
export const READY: number;
export const WRITES: number;
export const BOARD_WORDS: number;
export const ITEMS: number;
export const LARGE_BYTES: number;
