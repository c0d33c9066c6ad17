/**
 * The front ends that this machine has: both, or only `ws` where there is no binary of
 * uWebSockets.js.
 */
import { loadUws, NoBinary } from '#server/front-end.js';

async function hasUws(): Promise<boolean> {
  try {
    await loadUws();
    return true;
  } catch (error) {
    if (error instanceof NoBinary) return false;
    throw error;
  }
}

export const HAS_UWS = await hasUws();
export const FRONT_ENDS: readonly ('uws' | 'ws')[] = HAS_UWS ? ['uws', 'ws'] : ['ws'];
