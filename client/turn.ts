/**
 * Runs at the end of this turn of the event loop, after everything that is ready to be read has
 * been read, so that what many replies set off leaves in one frame. Browsers have only the end of
 * the current task.
 */
export const atEndOfTurn: (task: () => void) => void =
  typeof setImmediate === 'function' ? setImmediate : queueMicrotask;
