import type { Arena } from '#engine/arena.js';

export class Refusal extends Error {
  readonly code: string;
  constructor(text: string);
}

export type Call = readonly [name: string, ...args: unknown[]];

export function coded(command: Call): unknown[];

export function frameOf(command: Call, isAtomic?: false): Buffer;
export function frameOf(commands: readonly Call[], isAtomic: true): Buffer;

export class Caller {
  refused: number;
  constructor(arena: Arena);
  call(name: string, ...args: unknown[]): unknown;
  tryCall(name: string, ...args: unknown[]): unknown;
  atomic(commands: readonly Call[], guards?: readonly unknown[]): unknown;
}
