export class Random {
  constructor(seed: number);
  word(): number;
  below(end: number): number;
  between(least: number, most: number): number;
  chance(share: number): boolean;
  pick<T>(items: readonly T[]): T;
  bytes(length: number): Buffer;
}
export function freshSeed(): number;
