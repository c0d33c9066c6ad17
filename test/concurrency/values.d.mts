export const MIN_VALUE_BYTES: number;
export function writeValue(
  target: Buffer,
  at: number,
  key: number,
  writer: number,
  sequence: number,
  length: number,
): number;
export function checkValue(
  bytes: Buffer,
  start: number,
  end: number,
  key: number,
): { writer: number; sequence: number };
