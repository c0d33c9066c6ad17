/** A process that is a member of a cluster: membership, and the cluster's logic on top of it. */

import { Cluster } from './cluster.js';
import type { ClusterOptions, Complaint, FrameRunner } from './cluster-world.js';
import { encodeMeta, type MemberInfo } from './members.js';
import type { MembershipEvent } from './membership/events.js';
import type { Identity } from './membership/member.js';
import { Membership } from './membership/membership.js';
import type { Preset } from './membership/presets.js';
import { Kind, kindOf } from './messages.js';
import type { Address, Clock, Random, Transport } from './ports.js';
import type { ReplicaStore } from './store.js';
import type { Placement, View } from './view.js';

export interface ClusterMemberOptions {
  readonly self: Identity;
  readonly clock: Clock;
  readonly random: Random;
  readonly transport: Transport;
  readonly store: ReplicaStore;
  readonly preset: Preset;
  readonly cluster: ClusterOptions;
  place(nodes: readonly MemberInfo[]): Placement;
  readonly frames: FrameRunner;
  /** Who has what to do with each slot has changed. */
  onView(view: View): void;
  onEvent(event: MembershipEvent): void;
  complain: Complaint;
}

/** How often to look whether everything is handed over. */
const HANDOVER_CHECK_MS = 100;

export class ClusterMember {
  readonly membership: Membership;
  readonly cluster: Cluster;
  readonly #options: ClusterMemberOptions;

  constructor(options: ClusterMemberOptions) {
    const { self, clock, random, transport, store, preset } = options;
    this.#options = options;
    this.cluster = new Cluster({
      ...{
        selfId: self.id,
        clock,
        random,
        store,
        options: options.cluster,
        frames: options.frames,
      },
      place: options.place,
      send: ({ address }, ...message) => transport.send(address, ...message),
      reset: ({ address }) => transport.reset(address),
      setMeta: (meta) => this.membership.setMeta(meta),
      onView: options.onView,
      complain: options.complain,
    });
    this.membership = new Membership({
      ...{ self, clock, random, preset },
      meta: encodeMeta({ levelsVersion: 1, isLeaving: false }),
      send: (to, bytes) => transport.send(to, bytes),
      stampOut: () => store.stamp(),
      stampIn: (stamp) => this.cluster.raiseClock(stamp),
      onEvent: (event) => this.#onEvent(event),
    });
    transport.onMessage = (from, bytes) => {
      if (kindOf(bytes) === Kind.GOSSIP) {
        this.membership.receive(from, bytes);
        return;
      }
      this.membership.lookForStall();
      this.cluster.receive(bytes);
    };
  }

  /**
   * Finds the others and takes part; without others, it is the first node of a cluster.
   * @param seeds addresses of members, this one's own may be among them
   * @returns whether any of them answered
   */
  async join(seeds: readonly Address[]): Promise<boolean> {
    const isJoined = seeds.length > 0 && (await this.membership.join(seeds));
    this.#tellMembers();
    this.cluster.start();
    return isJoined;
  }

  /**
   * Hands over what it has, and goes. `stop` is to follow.
   * @param deadlineMs how long handing over may take
   * @returns whether everything is with others
   */
  async leave(deadlineMs: number): Promise<boolean> {
    this.cluster.prepareToLeave();
    const isDone = await this.#isHandedOverWithin(deadlineMs);
    await this.membership.leave();
    return isDone;
  }

  stop(): void {
    this.cluster.stop();
    this.membership.stop();
  }

  #isHandedOverWithin(deadlineMs: number): Promise<boolean> {
    const { clock } = this.#options;
    return new Promise((resolve) => {
      const look = (leftMs: number): void => {
        const isDone = this.cluster.isHandedOver;
        // Where nobody is left, nobody takes anything over.
        if (isDone || leftMs <= 0 || this.membership.isAlone) resolve(isDone);
        else clock.after(HANDOVER_CHECK_MS, () => look(leftMs - HANDOVER_CHECK_MS));
      };
      clock.after(HANDOVER_CHECK_MS, () => look(deadlineMs));
    });
  }

  /** In a turn of its own: membership is in the middle of something. */
  #onEvent(event: MembershipEvent): void {
    const { clock, onEvent, complain } = this.#options;
    // But before anything is done that may be long out of date.
    const wasDead = event.type === 'denied' && event.was === 'dead';
    if (wasDead || event.type === 'stalled') this.cluster.refuseEarlier();
    clock.after(0, () => {
      if (wasDead) this.cluster.wasDead(event.by);
      if (event.type === 'conflict' || event.type === 'warning') complain(event.text);
      this.#tellMembers();
      onEvent(event);
    });
  }

  #tellMembers(): void {
    this.cluster.setMembers([...this.membership.members.values()]);
  }
}
