/** Promises that are settled elsewhere. */
import type { SlabringError } from '../engine/errors.js';

export type Resolve<T> = (value: T) => void;
export type Reject = (error: SlabringError) => void;

/** Of the promise made last with {@link capture}. */
export let resolveLast: Resolve<unknown>;
export let rejectLast: Reject;

/** One executor for all promises: a closure for each would be one more allocation per command. */
export function capture(resolve: Resolve<unknown>, reject: Reject): void {
  resolveLast = resolve;
  rejectLast = reject;
}
