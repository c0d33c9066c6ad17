/**
 * A member of the cluster, and which of two things said of it is the newer one.
 *
 * What is said of one name is ordered: a later life of the process before an earlier one, within a
 * life the greater incarnation, within an incarnation the graver state. Every node keeps the
 * greatest it has heard of, so all end with the same, in whatever order they heard it.
 */
import type { Address } from '../ports.js';

/** From the least grave to the gravest. A number on the wire is the place in this list. */
export const MEMBER_STATES = ['alive', 'suspect', 'dead', 'left'] as const;

/**
 * `suspect`: did not answer, and may still say that it lives. `dead`: did not say so in time.
 * `left`: said that it goes.
 */
export type MemberState = (typeof MEMBER_STATES)[number];

/** One life of one process. */
export interface Life {
  /** Random, anew at each start of the process. */
  readonly id: string;
  /**
   * Unix time of that start. Of two lives under one name the one that started later counts; of two
   * that started at the same time, the one with the greater id.
   */
  readonly startedAtMs: number;
}

/** What a process says of itself for as long as it lives. */
export interface Identity extends Life {
  /** Stays over restarts: it is the place on the hash ring. */
  readonly name: string;
  /** Where peers reach it. */
  readonly address: Address;
  /** Where clients reach it. */
  readonly clientUrl: string;
  /** Copies of one key go to different zones. Absent: none. */
  readonly zone?: string | undefined;
  /** Its share of the keys, beside other weights. */
  readonly weight: number;
}

/** A member as one node knows it. Never changed: what changes is a new object. */
export interface Member extends Identity {
  /**
   * The member alone raises it: to deny that it is suspect or dead, and with every new `meta`.
   */
  readonly incarnation: number;
  readonly state: MemberState;
  /** A small value of its owner's, that reaches every node. */
  readonly meta: Uint8Array;
}

/** What is said of a member by others, without who it is. */
export interface Claim extends Life {
  readonly name: string;
  readonly incarnation: number;
  readonly state: MemberState;
  /** The name of the node that says so. */
  readonly by: string;
}

/** Above 0: `a` is the later life; 0: they are the same one. */
export function compareLives(a: Life, b: Life): number {
  if (a.startedAtMs !== b.startedAtMs) return a.startedAtMs - b.startedAtMs;
  if (a.id === b.id) return 0;
  return a.id > b.id ? 1 : -1;
}

/** Whether it is newer than what is known of the same life. */
export function isNews(
  news: Pick<Member, 'incarnation' | 'state'>,
  known: Pick<Member, 'incarnation' | 'state'>,
): boolean {
  if (news.incarnation !== known.incarnation) return news.incarnation > known.incarnation;
  return MEMBER_STATES.indexOf(news.state) > MEMBER_STATES.indexOf(known.state);
}

/** Alive, or suspect and so perhaps alive: one to probe, to tell things, to count. */
export function isLiving({ state }: Pick<Member, 'state'>): boolean {
  return state === 'alive' || state === 'suspect';
}
