/** What a ring is made of, with the defaults and the limits of each part. */
import { SlabringError } from '../../engine/errors.js';
import { show } from '../../engine/units.js';

export interface RingMember {
  /** No two have the same. A node's slots depend on it: under a new name it has other ones. */
  readonly name: string;
  /** Its share of the slots, by those of the others: 0.1 to 100. Default 1. */
  readonly weight?: number;
  /**
   * What fails together: a rack, a data centre. The copies of a slot are in as many zones as there
   * are. Default: the member is a zone of its own, and empty in {@link FullMember}.
   */
  readonly zone?: string;
}

export interface RingOptions {
  /** Nodes that hold each slot, primary and replicas together: 1 to 8. */
  readonly copies: number;
  /** Points on the ring for each unit of weight: 16 to 1,000. Default 160. */
  readonly virtualNodes?: number;
}

export const MIN_WEIGHT = 0.1;
export const MAX_WEIGHT = 100;
/** Each copy costs a write on the network; more than five are not known from anywhere. */
export const MAX_COPIES = 8;
/** With 16 probes a slot (`ring-points.ts`): 10 members are within some 5% of the mean. */
export const DEFAULT_VIRTUAL_NODES = 160;
/** Below, a member of the least weight had not even two points. */
export const MIN_VIRTUAL_NODES = 16;
export const MAX_VIRTUAL_NODES = 1000;
/** As many as have 16 slots each; gossip and a table of owners are good for some hundreds. */
export const MAX_MEMBERS = 1024;

/** Members as the ring keeps them: all said, in the order of their names. */
export type FullMember = Required<RingMember>;

/**
 * Checks the members, and puts them in the order of their names, so that the ring does not depend
 * on the order that they came in.
 * @throws SlabringError `OPTION`
 */
export function readMembers(members: readonly RingMember[]): readonly FullMember[] {
  if (members.length > MAX_MEMBERS) {
    fail(`a ring has at most ${MAX_MEMBERS} members, not ${members.length}`);
  }
  const byName = new Map<string, FullMember>();
  for (const { name, weight = 1, zone } of members) {
    if (typeof name !== 'string' || name === '') {
      fail(`the name of a ring's member must be a text that is not empty, not ${show(name)}`);
    }
    if (byName.has(name)) fail(`two members of a ring have the name ${show(name)}`);
    if (typeof weight !== 'number' || !(weight >= MIN_WEIGHT && weight <= MAX_WEIGHT)) {
      fail(
        `the weight of ${show(name)} must be ${MIN_WEIGHT} to ${MAX_WEIGHT}, not ${show(weight)}`,
      );
    }
    if (zone !== undefined && (typeof zone !== 'string' || zone === '')) {
      fail(`the zone of ${show(name)} must be a text that is not empty, not ${show(zone)}`);
    }
    byName.set(name, Object.freeze({ name, weight, zone: zone ?? '' }));
  }
  // By code units: every machine has the same order, whatever its language is.
  return Object.freeze([...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1)));
}

/** @throws SlabringError `OPTION` */
export function readOptions(options: RingOptions): Required<RingOptions> {
  const { copies, virtualNodes = DEFAULT_VIRTUAL_NODES } = options;
  checkWhole('copies', copies, 1, MAX_COPIES);
  checkWhole('virtualNodes', virtualNodes, MIN_VIRTUAL_NODES, MAX_VIRTUAL_NODES);
  return { copies, virtualNodes };
}

function checkWhole(option: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  fail(`${option} must be a whole number from ${least} to ${most}, not ${show(value)}`);
}

function fail(message: string): never {
  throw new SlabringError('OPTION', message);
}
