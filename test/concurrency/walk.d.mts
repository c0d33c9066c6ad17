export const STOP: number;
export const READY: number;
export const BOARD_WORDS: number;
export function changingValue(key: string, repeats: number): unknown;
export function isChangingValue(key: string, value: unknown): boolean;
