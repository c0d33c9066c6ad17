import type { Caller } from './caller.mjs';

export const ACCOUNTS: readonly string[];
export const PURSES: readonly string[];
export const COINS: number;
export const GUARDED: readonly string[];
export const PLACES: number;
export function prepare(caller: Caller): void;
export function checkTotals(caller: Caller, withMget: boolean): void;
