/** A hedged read (Dean and Barroso, "The Tail at Scale", 2013): asks twice where it takes long. */
import type { SlabringError } from '../engine/errors.js';

/** Errors that say nothing of the value: another node may well have it. */
const SILENT: readonly string[] = ['CONNECTION', 'TIMEOUT', 'UNAVAILABLE', 'TRYAGAIN', 'MOVED'];

/**
 * The first answer of two: `ask` is called when `first` has none after `delayMs`, or has failed
 * without one.
 */
export function hedge<T>(first: Promise<T>, delayMs: number, ask: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    let asked = false;
    let failures = 0;
    const failed = (error: SlabringError) => {
      if (!SILENT.includes(error.code) || ++failures === 2) {
        clearTimeout(timer);
        reject(error);
      } else {
        askNext();
      }
    };
    const answered = (value: T) => {
      clearTimeout(timer);
      resolve(value);
    };
    const askNext = () => {
      if (asked) return;
      asked = true;
      clearTimeout(timer);
      // An error of `ask` itself is one of the answer.
      new Promise<T>((settle) => settle(ask())).then(answered, failed);
    };
    const timer = setTimeout(askNext, delayMs);
    first.then(answered, failed);
  });
}
