/**
 * What becomes of commands that a node did not run, or of which nobody knows whether it did.
 *
 *     MOVED         goes to the node that is named there
 *     TRYAGAIN      nobody runs it now: goes, a little later, where the routes lead then
 *     CONNECTION    lost on its way: goes where the routes lead, if not sent yet or repeatable
 *     UNAVAILABLE   lost between two nodes: the same, a little later
 *
 * All of it within the command's deadline. A command of which a first try may have run never ends
 * with an error that says "nothing was done".
 */
import type { SlabringError } from '../engine/errors.js';
import { isRepeatable } from '../engine/repeatable.js';
import type { ClusterNode } from './cluster-node.js';
import { type CommandHead, readHead } from './command-head.js';
import { closedError } from './connection.js';
import type { LostCommand } from './frame.js';
import type { ClientSettings } from './options.js';
import type { Pending } from './pending.js';
import type { Pipeline } from './pipeline.js';
import { isDead, type Routes } from './routes.js';
import { isRead } from './rows.js';

/** Without `retry`: how often a command is sent on, before its caller hears that nodes disagree. */
const MOVES_MAX = 5;

/** The delay before a command is tried again, doubled for each further time: nodes learn meanwhile. */
const DELAY_MS = 10;
/** About as often as nodes tell of their views, and seldom enough for a cluster that is in trouble. */
const DELAY_MS_MAX = 200;

/** A command without a deadline is given up after this long: somebody shall hear of the trouble. */
const ENDLESS_MS = 10_000;

/**
 * How many connections a command may be lost with: one that brings down whoever runs it shall not
 * visit all nodes.
 */
const LOSSES_MAX = 3;

/** Errors of nodes that have done nothing. */
const NOTHING_DONE: readonly string[] = ['MOVED', 'TRYAGAIN'];

const MOVED = /^(\d+) (\S+)$/;

/** What a command has met so far. */
interface Trip {
  /** How often it came back. */
  returns: number;
  /** With how many connections it was lost. */
  losses: number;
  /** Why it may have run. */
  doubt: SlabringError | undefined;
}

/** A command that waits for its next try. */
interface Delayed {
  readonly timer: ReturnType<typeof setTimeout>;
  go(): void;
}

/** The nodes, as the router knows them. */
export interface RetryWorld {
  readonly settings: ClientSettings;
  /** undefined: the client does not route. */
  readonly routes: Routes | undefined;
  /** Of the control connection, which takes what has no node of its own. */
  readonly fallback: Pipeline;
  nodeAt(url: string): ClusterNode;
  /** Whether it is still the one at its address. */
  isKnown(node: ClusterNode): boolean;
}

export class Retries {
  readonly #world: RetryWorld;
  readonly #trips = new WeakMap<Pending, Trip>();
  readonly #delayed = new Map<Pending, Delayed>();
  /** Reads that any owner may answer, though they were sent to the one that runs the writes. */
  readonly #free = new WeakSet<Pending>();
  /**
   * Drawn once for each client: clients of one node come apart by it, but what one of them sent in
   * order comes back in order.
   */
  readonly #jitter = 0.5 + Math.random() / 2;

  constructor(world: RetryWorld) {
    this.#world = world;
  }

  /** How many commands wait. */
  get waiting(): number {
    return this.#delayed.size;
  }

  /** Any owner of its key may answer this one. */
  free(pending: Pending): void {
    this.#free.add(pending);
  }

  /** @param node that had the command; undefined: the control connection was asked */
  rescue(node: ClusterNode | undefined, lost: LostCommand, error: SlabringError): boolean {
    if (node !== undefined && this.#free.has(lost.pending)) {
      return this.rescueRead(node, lost, error);
    }
    return this.#take(node, lost, error) || this.#concede(lost, error);
  }

  /** What any owner may answer is asked of the next one. */
  rescueRead(node: ClusterNode, lost: LostCommand, error: SlabringError): boolean {
    if (error.code === 'MOVED') return this.#sendOn(lost, error) || this.#concede(lost, error);
    const { slot } = readHead(lost.bytes);
    const { routes } = this.#world;
    if (routes === undefined || slot === undefined) return false;
    const next = () => this.#ownerBehind(node, slot).readers;
    const { retry } = this.#world.settings;
    const owners = routes.owners(slot).length;
    const returns = ++this.#tripOf(lost.pending).returns;
    if (owners > 1 && returns < (retry ? owners : owners + 1)) {
      this.#send(lost, next());
      return true;
    }
    return retry && owners > 0 && this.#later(lost, next);
  }

  /** The routes are others: what waits need wait no longer. */
  hurry(): void {
    const all = [...this.#delayed.values()];
    this.#delayed.clear();
    for (const { timer, go } of all) {
      clearTimeout(timer);
      go();
    }
  }

  /** Rejects all that wait. */
  end(): void {
    const all = [...this.#delayed];
    this.#delayed.clear();
    for (const [pending, { timer }] of all) {
      clearTimeout(timer);
      pending.fail(this.#trips.get(pending)?.doubt ?? closedError());
    }
  }

  #take(node: ClusterNode | undefined, lost: LostCommand, error: SlabringError): boolean {
    const { retry } = this.#world.settings;
    const head = readHead(lost.bytes);
    if (lost.failure !== undefined) {
      // The write was done, but is not known to be with enough nodes.
      if (!retry || !isRepeatable(head.code, head.argCount)) return false;
      this.#tripOf(lost.pending).doubt = lost.failure;
      // Where the same node would be asked, it has had the time that the caller gave it.
      if (error.code === 'UNAVAILABLE') return this.#elsewhere(node, head, lost);
    }
    switch (error.code) {
      case 'MOVED':
        return this.#sendOn(lost, error);
      case 'TRYAGAIN':
        if (!retry) return false;
        break;
      case 'UNAVAILABLE':
        if (!retry || !isRepeatable(head.code, head.argCount)) return false;
        this.#tripOf(lost.pending).doubt = error;
        break;
      case 'CONNECTION':
        return this.#again(node, head, lost, error);
      default:
        return false;
    }
    this.#tripOf(lost.pending).returns++;
    return this.#later(lost, () => this.#way(node, head.slot));
  }

  /** Another error would tell the caller that nothing was done, when something may have been. */
  #concede(lost: LostCommand, error: SlabringError): boolean {
    const doubt = this.#trips.get(lost.pending)?.doubt;
    if (doubt === undefined || !NOTHING_DONE.includes(error.code)) return false;
    lost.pending.fail(doubt);
    return true;
  }

  /** The connection was lost with the command, or with the command waiting for it. */
  #again(
    node: ClusterNode | undefined,
    { code, argCount, slot }: CommandHead,
    lost: LostCommand,
    error: SlabringError,
  ): boolean {
    if (lost.sent) {
      const mayRepeat = this.#world.settings.retry ? isRepeatable(code, argCount) : isRead(code);
      const trip = this.#tripOf(lost.pending);
      if (!mayRepeat || trip.losses === LOSSES_MAX) return false;
      trip.losses++;
      trip.doubt = error;
    }
    // What has no key was for this node, not for another.
    if (slot === undefined && node !== undefined && !this.#world.isKnown(node)) return false;
    this.#send(lost, this.#way(node, slot));
    return true;
  }

  #elsewhere(node: ClusterNode | undefined, { slot }: CommandHead, lost: LostCommand): boolean {
    const runner = slot === undefined ? undefined : this.#world.routes?.runner(slot);
    if (runner === undefined || runner === node) return false;
    if (node === undefined && runner.pipeline === this.#world.fallback) return false;
    this.#send(lost, runner.pipeline);
    return true;
  }

  /** The reply was MOVED: the command goes to the node that it names. */
  #sendOn(lost: LostCommand, error: SlabringError): boolean {
    const [, slotText, url] = MOVED.exec(error.message) ?? [];
    const { routes, settings } = this.#world;
    if (routes === undefined || slotText === undefined || url === undefined) return false;
    const slot = Number(slotText);
    const trip = this.#tripOf(lost.pending);
    const returns = ++trip.returns;
    if (!settings.retry && returns > MOVES_MAX) return false;
    // Who names a node that is dead has not heard of it yet, as the client has.
    const namesDead = isDead(url, routes.view);
    if (!namesDead) routes.moved(slot, this.#world.nodeAt(url));
    if (returns > 1 || namesDead) return this.#later(lost, () => this.#way(undefined, slot));
    this.#send(lost, this.#world.nodeAt(url).pipeline);
    return true;
  }

  /** False: its deadline comes first. */
  #later(lost: LostCommand, way: () => Pipeline): boolean {
    const { pending, startedAtMs } = lost;
    const doubled = DELAY_MS * 2 ** Math.min(this.#tripOf(pending).returns - 1, 10);
    const delayMs = Math.min(doubled, DELAY_MS_MAX) * this.#jitter;
    const mostMs = this.#world.settings.timeoutMs || ENDLESS_MS;
    if (performance.now() + delayMs >= startedAtMs + mostMs) return false;
    const go = () => {
      this.#delayed.delete(pending);
      this.#send(lost, way());
    };
    this.#delayed.set(pending, { timer: setTimeout(go, delayMs), go });
    return true;
  }

  #send(lost: LostCommand, pipeline: Pipeline): void {
    pipeline.resend(lost, this.#trips.get(lost.pending)?.doubt);
  }

  /** Where the routes lead now. */
  #way(node: ClusterNode | undefined, slot: number | undefined): Pipeline {
    const { routes, fallback } = this.#world;
    const isKnown = node !== undefined && this.#world.isKnown(node);
    const next = slot === undefined ? (isKnown ? node : undefined) : routes?.runner(slot);
    return next === undefined ? fallback : next.pipeline;
  }

  /** The next owner that answers; all are asked in turn. */
  #ownerBehind(node: ClusterNode, slot: number): ClusterNode {
    const owners = this.#world.routes?.owners(slot) ?? [];
    const at = owners.indexOf(node) + 1;
    const turned = [...owners.slice(at), ...owners.slice(0, at)];
    return turned.find((owner) => !owner.isDown) ?? turned[0] ?? node;
  }

  #tripOf(pending: Pending): Trip {
    let trip = this.#trips.get(pending);
    if (trip === undefined) {
      trip = { returns: 0, losses: 0, doubt: undefined };
      this.#trips.set(pending, trip);
    }
    return trip;
  }
}
