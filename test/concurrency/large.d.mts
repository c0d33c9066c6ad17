export const STOP: number;
export const READY: number;
export const BOARD_WORDS: number;
export function largeBytes(
  seed: number,
  random: { between(least: number, most: number): number },
): Uint8Array;
export function checkLarge(bytes: Uint8Array | undefined): void;
