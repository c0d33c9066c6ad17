/**
 * How a node comes to have the slots that it owns. Of each it asks the node that has most of it for
 * everything, and all others that have it for what was written lately: a write that some of these
 * have acknowledged may be under way to the others. From then on they send it their writes as well.
 * When all have answered the slot is there; until then somebody else serves it (view.ts).
 */
import type { ClusterBug } from './cluster-world.js';
import { Kind, type Message, PullMode } from './messages.js';
import type { Clock } from './ports.js';
import { Level, Levels, SlotSet } from './slot-set.js';
import type { View } from './view.js';

/** How often a source is asked again that has not sent everything: it may not have heard. */
const ASK_AGAIN_MS = 300;
/** How long to wait for live members to say what they have, where others have everything. */
const UNTOLD_MS = 3_000;

interface Running {
  readonly source: string;
  readonly slots: SlotSet;
  readonly mode: number;
  /** What the source has of the slots. */
  readonly level: number;
}

export interface PullsWorld {
  readonly bug?: ClusterBug | undefined;
  readonly selfId: string;
  readonly clock: Clock;
  /** What this node has; changed here. */
  readonly levels: Levels;
  view(): View;
  send(peer: string, message: Message): void;
  /** Levels have changed. */
  onLevels(): void;
}

export class Pulls {
  readonly #world: PullsWorld;
  readonly #running = new Map<number, Running>();
  #last = 0;
  #untoldSinceMs: number | undefined;
  #cancel: (() => void) | undefined;

  constructor(world: PullsWorld) {
    this.#world = world;
  }

  /** Slots that are being pulled. */
  get slotsLeft(): number {
    return this.#runningSlots().size;
  }

  /** To be called when the view has changed: asks for what is missing. */
  plan(): void {
    const view = this.#world.view();
    const self = view.indexOf(this.#world.selfId);
    if (self < 0) return;
    this.#giveUp(view);
    const { isTold } = view;
    if (isTold || this.#isLate()) this.#begin(view, self, isTold);
    if (isTold) this.#untoldSinceMs = undefined;
    if (this.#running.size === 0 && isTold) return;
    this.#cancel ??= this.#world.clock.after(ASK_AGAIN_MS, () => {
      this.#cancel = undefined;
      for (const [pull, running] of this.#running) this.#ask(pull, running);
      this.plan();
    });
  }

  /** All that these pulls were to bring is there. */
  finish(pulls: readonly number[]): void {
    const done: SlotSet[] = [];
    for (const pull of pulls) {
      const running = this.#running.get(pull);
      if (running && this.#running.delete(pull)) done.push(running.slots);
    }
    if (done.length === 0) return;
    const left = this.#runningSlots();
    for (const slots of done) {
      slots.deleteAll(left);
      slots.forEach((slot) => {
        this.#world.levels.set(slot, Level.FULL);
      });
    }
    this.#world.onLevels();
  }

  stop(): void {
    this.#cancel?.();
    this.#running.clear();
  }

  /**
   * Pulls whose source is dead, or has less than it had: what others would have sent late is lost
   * to all, or with the owners; of what was to be sent as a whole, the slots are asked for anew.
   */
  #giveUp(view: View): void {
    const anew = new SlotSet();
    for (const [pull, { source, mode, level, slots }] of [...this.#running]) {
      const node = view.nodes[view.indexOf(source)];
      if (mode === PullMode.RECENT) {
        if (!node?.isLive) this.finish([pull]);
        continue;
      }
      const lacking = slots.copy();
      if (node?.isLive) lacking.deleteAll((node.levels ?? NOTHING).atLeast(level));
      anew.addAll(lacking);
    }
    if (anew.isEmpty) return;
    for (const [pull, { slots }] of this.#running) {
      slots.deleteAll(anew);
      if (slots.isEmpty) this.#running.delete(pull);
    }
  }

  /** @param isTold all live members have said what they have */
  #begin(view: View, self: number, isTold: boolean): void {
    const { levels, onLevels } = this.#world;
    const missing = view.slotsOf(self).copy();
    missing.deleteAll(levels.full);
    missing.deleteAll(this.#runningSlots());
    const wanted = new Wanted();
    let adopted = 0;
    for (const slot of missing) {
      const level = levels.of(slot);
      const sources = sourcesOf(view, slot, self);
      const best = sources.length > 0 ? view.levelOf(slot, sources[0]!) : Level.NONE;
      // Somebody may have more who has not said so.
      if (!isTold && best !== Level.FULL) continue;
      // Or may come back with more; if it does not, another one gets its place.
      if (view.absentLevelOf(slot) > Math.max(best, level)) continue;
      if (sources.length === 0) {
        // Nobody has anything of it: what is here is all there is.
        levels.set(slot, Level.FULL);
        adopted++;
      }
      for (const source of sources) {
        const rest = source === sources[0] ? PullMode.ALL : PullMode.RECENT;
        const mode = level === Level.STALE ? PullMode.CATCH_UP : rest;
        // Who drops a slot has seen to it that the owners have what is recent.
        const least = mode === PullMode.RECENT ? Level.NONE : view.levelOf(slot, source);
        wanted.add(view, source, mode, least, slot);
      }
    }
    for (const running of wanted) {
      const pull = ++this.#last;
      this.#running.set(pull, running);
      this.#ask(pull, running);
    }
    if (this.#world.bug === 'full-at-once' && !missing.isEmpty) {
      for (const slot of missing) levels.set(slot, Level.FULL);
      onLevels();
    }
    if (adopted > 0) onLevels();
  }

  #ask(pull: number, { source, slots, mode, level }: Running): void {
    const { selfId, send } = this.#world;
    send(source, { kind: Kind.PULL, from: selfId, pull, mode, level, slots: slots.bytes });
  }

  #runningSlots(): SlotSet {
    const all = new SlotSet();
    for (const { slots } of this.#running.values()) all.addAll(slots);
    return all;
  }

  /** Whether those who have not said what they have had time enough for it. */
  #isLate(): boolean {
    const now = this.#world.clock.now();
    this.#untoldSinceMs ??= now;
    return now - this.#untoldSinceMs > UNTOLD_MS;
  }
}

const NOTHING = new Levels();

/** Slots by whom they are asked of, and how. */
class Wanted {
  /** By an index of the view, a mode and a level. */
  readonly #byHow = new Map<number, Running>();

  add(view: View, index: number, mode: number, level: number, slot: number): void {
    const how = (index * MODES + mode) * LEVELS + level;
    let wanted = this.#byHow.get(how);
    if (!wanted) {
      wanted = { source: view.nodes[index]!.id, mode, level, slots: new SlotSet() };
      this.#byHow.set(how, wanted);
    }
    wanted.slots.add(slot);
  }

  [Symbol.iterator](): IterableIterator<Running> {
    return this.#byHow.values();
  }
}

const MODES = Object.keys(PullMode).length;
const LEVELS = Object.keys(Level).length;

/** The other live nodes that have anything of a slot: who has most of it first, and owners first. */
function sourcesOf(view: View, slot: number, self: number): number[] {
  const sources: number[] = [];
  for (let level: number = Level.FULL; level > Level.NONE; level--) {
    for (let i = 0; i < view.copies; i++) {
      const owner = view.ownerAt(slot, i);
      if (owner < 0 || owner === self) continue;
      if (view.isLiveAt(slot, owner, level)) sources.push(owner);
    }
    for (let index = 0; index < view.nodes.length; index++) {
      if (index === self || view.isOwner(slot, index)) continue;
      if (view.isLiveAt(slot, index, level)) sources.push(index);
    }
  }
  return sources;
}
