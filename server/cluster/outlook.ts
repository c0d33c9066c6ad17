/** What a node makes of the members it hears of: the nodes of its next view, and the view. */
import type { LevelsExchange } from './levels-exchange.js';
import { decodeMeta, type MemberInfo } from './members.js';
import { isLiving, newestOfEachName, type Peers } from './peers.js';
import type { Clock } from './ports.js';
import { type Placement, View, type ViewNode } from './view.js';

export interface OutlookWorld {
  readonly selfId: string;
  readonly clock: Clock;
  readonly levels: LevelsExchange;
  readonly peers: Peers;
  /** How long a dead node keeps its place. */
  readonly replaceAfterMs: number;
  place(nodes: readonly MemberInfo[]): Placement;
}

export class Outlook {
  readonly #world: OutlookWorld;
  #replaced: readonly string[] = [];

  constructor(world: OutlookWorld) {
    this.#world = world;
  }

  /** Ids of dead members whose places others have. */
  get replaced(): readonly string[] {
    return this.#replaced;
  }

  /**
   * The view after another one.
   * @param members all that are known, dead ones too
   */
  next(members: readonly MemberInfo[], before: View): View {
    const { selfId, levels, place } = this.#world;
    const replaced: string[] = [];
    const present = newestOfEachName(members).filter(({ id, state }) => {
      const isReplaced = state === 'dead' && this.#isReplaced(id);
      if (isReplaced) replaced.push(id);
      return state !== 'left' && !isReplaced;
    });
    this.#replaced = replaced;
    const nodes = present.map((member): ViewNode => {
      const { id, name, address, clientUrl } = member;
      const isSelf = id === selfId;
      return {
        ...{ id, name, address, clientUrl },
        isLive: isSelf || isLiving(member),
        isPlaced: isSelf ? !levels.isLeaving : !decodeMeta(member.meta).isLeaving,
        levels: levels.of(id),
      };
    });
    const placed = present.filter((_, index) => nodes[index]!.isPlaced);
    return new View(nodes, place(placed), before);
  }

  #isReplaced(id: string): boolean {
    const { clock, levels, peers, replaceAfterMs } = this.#world;
    // The others may have waited already for one that was never met.
    if (!peers.get(id) && levels.isSaidReplaced(id)) return true;
    const sinceMs = peers.deadSinceMs(id) ?? clock.now();
    return clock.now() - sinceMs > replaceAfterMs;
  }
}
