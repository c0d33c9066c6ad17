/**
 * Before a node tells of itself: whether another process has its name, and lives. It asks without
 * saying who it is, as all take the earlier of two processes of one name for dead.
 */
import type { Address } from '../ports.js';
import type { Core } from './core.js';
import { isLiving, type Member } from './member.js';
import type { Own } from './own.js';
import type { Post } from './post.js';
import { isClaim, type Message } from './wire.js';

export interface Found {
  /** Whether any of those that were asked has answered. */
  readonly isAnswered: boolean;
  /** Who has the name; undefined: nobody who answers. */
  readonly namesake?: Member;
}

export class NamesakeSearch {
  readonly #core: Core;
  readonly #own: Own;
  readonly #post: Post;
  /** Ends the search that is under way; undefined: none is. */
  #end: ((found: Found) => void) | undefined;
  /** Has the name, as others say, and is asked itself. */
  #suspect: Member | undefined;

  constructor(core: Core, own: Own, post: Post) {
    this.#core = core;
    this.#own = own;
    this.#post = post;
  }

  /** Asks these; the first answer counts, and for it they have as long as to be joined. */
  find(addresses: Iterable<Address>): Promise<Found> {
    const { timers, preset } = this.#core;
    const others = [...addresses].filter((address) => address !== this.#own.member.address);
    if (others.length === 0) return Promise.resolve({ isAnswered: false });
    return new Promise((resolve) => {
      const cancel = timers.after(preset.joinTimeoutMs, () => this.stop());
      this.#end = (found) => {
        cancel();
        this.#end = undefined;
        resolve(found);
      };
      for (const address of others) this.#ask(address);
    });
  }

  /** @returns whether it was an answer to this search: then it is for nobody else */
  onReply(from: Address, { sender, news }: Message): boolean {
    if (this.#end === undefined) return false;
    if (this.#suspect !== undefined) {
      if (sender === this.#suspect.id) this.#end({ isAnswered: true, namesake: this.#suspect });
      // Another process has its address now.
      else if (from === this.#suspect.address) this.#end({ isAnswered: true });
      return true;
    }
    const { name, address } = this.#own.member;
    const known = news.find((piece): piece is Member => piece.name === name && !isClaim(piece));
    // Who had this node's address is no more.
    if (known === undefined || !isLiving(known) || known.address === address) {
      this.#end({ isAnswered: true });
    } else if (known.id === sender) {
      this.#end({ isAnswered: true, namesake: known });
    } else {
      this.#suspect = known;
      this.#ask(known.address);
      // As long as others would give it.
      this.#core.timers.after(this.#core.preset.suspicionMinMs, () => this.stop());
    }
    return true;
  }

  /** Nobody listens there. */
  findDeserted(address: Address): void {
    if (address === this.#suspect?.address) this.stop();
  }

  stop(): void {
    this.#end?.({ isAnswered: this.#suspect !== undefined });
  }

  #ask(address: Address): void {
    this.#post.sendAll(address, 'syncRequest', 0, []);
  }
}
