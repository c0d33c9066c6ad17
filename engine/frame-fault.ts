import { Elsewhere } from './elsewhere.js';

/** Why a connection must be closed, and with which WebSocket close code. */
export interface FrameFault {
  readonly closeCode: 1007 | 1009;
  readonly reason: string;
}

export const BAD_FRAME_ID: FrameFault = {
  closeCode: 1007,
  reason: 'a frame begins with an id from 1 to 4294967295',
};

/** The fault of a frame whose bytes from `at` on are not msgpack. */
export function malformedAt(at: number): FrameFault {
  return { closeCode: 1007, reason: `bytes from ${at} on are no whole msgpack value` };
}

export function isFault(result: Uint8Array | FrameFault | Elsewhere): result is FrameFault {
  return !(result instanceof Uint8Array || result instanceof Elsewhere);
}
