/**
 * Which of the views that nodes tell the client follows.
 *
 * The control connection's node is believed, with two exceptions:
 *
 *     It says that more than half of the nodes are dead. Either they are, or it is cut off from
 *     them, and the client perhaps is not: then the other side is the larger one.
 *
 *     Another node says that the control connection's node is dead. Then that one may be stopped,
 *     or cut off, and tell nothing.
 *
 * Then the nodes that were live until now are asked what they see, and the view with the most live
 * nodes counts; of equal ones that of the control connection's node; and where most of those who
 * answer say that this one is dead, the best of theirs. The old one is kept meanwhile,
 * for a second at most: who does not answer by then is as good as dead. Both sides of a split see
 * the others die one after the other, so what counts is the share of all nodes in a view, not the
 * difference from the view before. A side with just half of the nodes is as good as the other one.
 */
import type { ClusterView } from '../engine/cluster-view.js';
import type { ClusterNode } from './cluster-node.js';
import { isDead } from './routes.js';

/** A node that lives answers a PING in a millisecond, and in far less than this over any network. */
const ANSWER_MS = 1_000;

interface Answer {
  readonly view: ClusterView;
  /** undefined: of the control connection's node. */
  readonly node: ClusterNode | undefined;
}

/** The client, as far as it has a choice. */
export interface ViewWorld {
  /** The view that is followed; undefined: none yet. */
  readonly view: ClusterView | undefined;
  /** Whether the control connection stands. */
  readonly isControlled: boolean;
  /** Those that the present view says are live. */
  nodes(): readonly ClusterNode[];
  follow(view: ClusterView): void;
  /** Has the control connection go to another node. */
  move(url: string): void;
}

export class ViewChoice {
  readonly #world: ViewWorld;
  /** The question under way. */
  #question: { cancel(): void } | undefined;

  constructor(world: ViewWorld) {
    this.#world = world;
  }

  /**
   * What the control connection's node says.
   * @throws SlabringError `CONNECTION` when the view is none
   */
  hear(view: ClusterView): void {
    const present = this.#world.view;
    if (present === undefined || !isMinority(view)) {
      this.end();
      this.#world.follow(view);
      return;
    }
    const self = urlOfSelf(view);
    this.#ask(
      this.#world.nodes().filter(({ url }) => url !== self),
      view,
    );
  }

  /** What another node says. */
  overhear(view: ClusterView): void {
    const { view: present, isControlled } = this.#world;
    if (present === undefined || isMinority(view)) return;
    if (!isControlled) this.#world.follow(view);
    else if (isDead(urlOfSelf(present), view) && this.#question === undefined) {
      this.#ask(this.#world.nodes(), undefined);
    }
  }

  /** Nobody is waited for any more. */
  end(): void {
    this.#question?.cancel();
    this.#question = undefined;
  }

  /** @param own the view to be doubted; undefined: there is none, only a rumour */
  #ask(nodes: readonly ClusterNode[], own: ClusterView | undefined): void {
    this.end();
    const answers: Answer[] = own === undefined ? [] : [{ view: own, node: undefined }];
    const all = nodes.length + answers.length;
    let left = nodes.length;
    const decide = () => {
      this.end();
      this.#decide(answers, own);
    };
    const timer = setTimeout(decide, ANSWER_MS);
    const question = { cancel: () => clearTimeout(timer) };
    this.#question = question;
    const arrived = (node: ClusterNode, view: ClusterView | undefined) => {
      if (this.#question !== question) return;
      left--;
      if (view !== undefined) answers.push({ view, node });
      // Most have answered: those who have not may be those whom the question is about.
      if (left === 0 || 2 * answers.length > all) decide();
    };
    for (const node of nodes) {
      node.ask().then(
        (view) => arrived(node, view),
        // Who cannot be asked has no say.
        () => arrived(node, undefined),
      );
    }
    if (left === 0) decide();
  }

  #decide(answers: readonly Answer[], own: ClusterView | undefined): void {
    const self = urlOfSelf(this.#world.view!);
    const isRumour = own === undefined;
    // Who was just cut off takes the others for live longer than they take him.
    const against = isRumour ? answers.filter(({ view }) => isDead(self, view)) : [];
    const heard = 2 * against.length > answers.length ? against : answers;
    let best = heard[0];
    for (const answer of heard) {
      if (liveNodes(answer.view) > liveNodes(best!.view)) best = answer;
    }
    if (best === undefined) return;
    const { view, node } = best;
    // The others do not confirm it.
    if (isRumour && !isDead(self, view)) return;
    this.#world.follow(view);
    if (node !== undefined) this.#world.move(node.url);
  }
}

/** By name: a node that was started again is in the view twice, as dead and as live. */
function liveNodes({ nodes }: ClusterView): number {
  return new Set(nodes.filter(({ live }) => live).map(({ name }) => name)).size;
}

/** Whether its teller sees less than half of the nodes. */
function isMinority(view: ClusterView): boolean {
  return 2 * liveNodes(view) < new Set(view.nodes.map(({ name }) => name)).size;
}

function urlOfSelf({ nodes, self }: ClusterView): string {
  return nodes[self]?.url ?? '';
}
