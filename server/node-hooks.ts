/** What a running node, or member of a cluster, tells the one who started it. */
import { SlabringError } from '../engine/errors.js';
import { checkOptionNames } from '../engine/units.js';

export interface NodeHooks {
  /** Something works, but not as well as it could. Default: a warning of the process. */
  onWarning?: (text: string) => void;
  /**
   * A thread has failed, and with it the node: nothing is served reliably any more. Default:
   * thrown.
   */
  onFailure?: (error: Error) => void;
  /**
   * Somebody has asked the node to leave its cluster, by `slabring cluster leave`; `close` does it.
   * Default: it is closed.
   */
  onLeaveAsked?: () => void;
}

const NAMES = ['onWarning', 'onFailure', 'onLeaveAsked'] as const satisfies (keyof NodeHooks)[];

/** @throws SlabringError `OPTION` */
export function checkHooks(hooks: NodeHooks, whose: string): void {
  checkOptionNames(hooks, NAMES, whose);
  for (const name of NAMES) {
    const hook: unknown = hooks[name];
    if (hook === undefined || typeof hook === 'function') continue;
    throw new SlabringError('OPTION', `${name} must be a function, not ${typeof hook}`);
  }
}

export function warnProcess(text: string): void {
  process.emitWarning(text, 'SlabringWarning');
}

/**
 * As an emitter does with an 'error' that nobody listens for: the process ends with it unless it is
 * caught there.
 */
export function throwLater(error: Error): void {
  setImmediate(() => {
    throw error;
  });
}
