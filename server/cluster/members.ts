/** Members as the rest of the cluster's logic sees them, and what they tell of themselves. */
import type { Address } from './ports.js';

export interface MemberInfo {
  /** Another one at each start of the process. */
  readonly id: string;
  /** Its place on the ring. */
  readonly name: string;
  readonly address: Address;
  readonly clientUrl: string;
  readonly zone?: string | undefined;
  readonly weight: number;
  readonly state: 'alive' | 'suspect' | 'dead' | 'left';
  readonly startedAtMs: number;
  readonly meta: Uint8Array;
}

/** What a member's gossip says of its data. */
export interface MemberMeta {
  /** Of its levels: grows whenever they change. */
  readonly levelsVersion: number;
  /** It hands its slots over, and will go. */
  readonly isLeaving: boolean;
}

const META_BYTES = 5;

export function encodeMeta({ levelsVersion, isLeaving }: MemberMeta): Uint8Array {
  const bytes = Buffer.alloc(META_BYTES);
  bytes.writeUInt32BE(levelsVersion);
  bytes[4] = isLeaving ? 1 : 0;
  return new Uint8Array(bytes);
}

/** Of a member that says nothing yet: nothing told, and not leaving. */
export function decodeMeta(meta: Uint8Array): MemberMeta {
  if (meta.length < META_BYTES) return { levelsVersion: 0, isLeaving: false };
  const bytes = Buffer.from(meta.buffer, meta.byteOffset, meta.byteLength);
  return { levelsVersion: bytes.readUInt32BE(), isLeaving: (bytes[4]! & 1) === 1 };
}
