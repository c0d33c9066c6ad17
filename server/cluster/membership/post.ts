/** Sends messages: their header, what must be told first, and news as far as it fits. */
import type { Address } from '../ports.js';
import type { Core } from './core.js';
import { count } from './counters.js';
import type { Member } from './member.js';
import { type Kind, type News, packHeader, packNews, roomBeside, withNews } from './wire.js';

export interface PostOptions {
  /** This node's. */
  readonly id: string;
  readonly name: string;
  readonly send: (to: Address, bytes: Uint8Array) => void;
  /** The hybrid clock, for the stamp of each message. */
  readonly stampOut: () => bigint;
}

export interface Letter {
  /** Of a probe or sync. Default 0. */
  readonly number?: number;
  /** The id of who is meant. Default: none. */
  readonly target?: string;
  /** Goes first. */
  readonly first?: readonly News[];
  /**
   * Whom it goes to: one who is thought suspect or dead is told so before anything else, to deny it
   * (Lifeguard, "buddy system").
   */
  readonly recipient?: Member | undefined;
  /** A suspect of which the message is. */
  readonly about?: Member;
}

export class Post {
  readonly #core: Core;
  readonly #options: PostOptions;

  constructor(core: Core, options: PostOptions) {
    this.#core = core;
    this.#options = options;
  }

  /** A short message, filled up with news. */
  send(to: Address, kind: Kind, letter: Letter = {}): void {
    const { recipient, about = recipient, first = [] } = letter;
    const header = this.#header(kind, letter);
    const accusation = about && this.#accusationOf(about);
    const news = first.map(packNews);
    if (accusation !== undefined) news.push(packNews(accusation));
    const usedBytes = news.reduce((sum, { length }) => sum + length, 0);
    const roomBytes = roomBeside(header) - usedBytes;
    news.push(...this.#core.broadcasts.take(roomBytes, accusation?.name));
    this.#send(to, kind, withNews(header, news));
  }

  /** A message with all of this news, however long. */
  sendAll(to: Address, kind: Kind, number: number, news: Iterable<News>): void {
    const packed = Array.from(news, packNews);
    this.#send(to, kind, withNews(this.#header(kind, { number }), packed));
  }

  #header(kind: Kind, { number = 0, target = '' }: Letter): Uint8Array {
    const { id, stampOut } = this.#options;
    return packHeader({ kind, stamp: stampOut(), sender: id, number, target });
  }

  #accusationOf({ name, id, startedAtMs, incarnation, state }: Member): News | undefined {
    if (state === 'alive') return undefined;
    return { name, id, startedAtMs, incarnation, state, by: this.#options.name };
  }

  #send(to: Address, kind: Kind, bytes: Uint8Array): void {
    count(this.#core.counters.sent[kind], bytes);
    this.#options.send(to, bytes);
  }
}
