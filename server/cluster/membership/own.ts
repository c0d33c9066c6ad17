/**
 * What this node says of itself: it denies what others wrongly say, passes on what its owner
 * changes, and knows when a later process has taken its name.
 */
import type { Core } from './core.js';
import { compareLives, type Identity, isLiving, type Member } from './member.js';
import { isClaim, type News, packNews } from './wire.js';

export class Own {
  readonly #core: Core;
  #member: Member;
  #isReplaced = false;

  constructor(core: Core, self: Identity, meta: Uint8Array) {
    this.#core = core;
    const { name, id, startedAtMs, address, clientUrl, zone, weight } = self;
    this.#member = {
      ...{ name, id, startedAtMs, address, clientUrl, weight, meta: Uint8Array.from(meta) },
      ...(zone !== undefined && { zone }),
      ...{ incarnation: 0, state: 'alive' },
    };
    this.#put();
  }

  get member(): Member {
    return this.#member;
  }

  /** A later process has the name of this one, and lives: this one is no member. */
  get isReplaced(): boolean {
    return this.#isReplaced;
  }

  /** The process that has this one's name. */
  get rival(): Member | undefined {
    return this.#isReplaced ? this.#core.roster.get(this.#member.name) : undefined;
  }

  /** Whether it takes part: neither replaced nor on its way out. */
  get isActive(): boolean {
    return !this.#isReplaced && this.#member.state === 'alive';
  }

  setMeta(meta: Uint8Array): void {
    this.#say({ meta: Uint8Array.from(meta), incarnation: this.#member.incarnation + 1 });
  }

  /** @param onTold called once the news was sent often enough */
  leave(onTold: () => void): void {
    const incarnation = this.#member.incarnation + 1;
    this.#member = { ...this.#member, state: 'left', incarnation };
    this.#put();
    if (this.#core.bug !== 'silent-leave') this.#announce(onTold);
    else onTold();
  }

  /** Others shall hear of it again. */
  announce(): void {
    if (!this.#isReplaced) this.#announce();
  }

  /** News of this node's own name. */
  hear(news: News, by: string | undefined): void {
    const order = compareLives(news, this.#member);
    if (order > 0) this.#hearOfLater(news);
    else if (order < 0) this.#hearOfEarlier(news);
    else this.#hearOfThis(news, isClaim(news) ? news.by : by);
  }

  /** Of the process that took the name, or that had it last and whose clock was ahead of ours. */
  #hearOfLater(news: News): void {
    if (!isLiving(news)) {
      this.#isReplaced = false;
      this.#say({ startedAtMs: news.startedAtMs + 1 });
      return;
    }
    // Who it is only a record tells.
    if (isClaim(news)) return;
    const known = this.#core.roster.get(this.#member.name)!;
    const order = compareLives(news, known);
    if (order < 0 || (order === 0 && news.incarnation <= known.incarnation)) return;
    this.#core.roster.put(news, this.#core.timers.nowMs());
    if (order === 0) return;
    this.#isReplaced = true;
    const { name, address, startedAtMs } = news;
    const text =
      `another process has the name ${name}, at ${address}, and started later ` +
      `(${new Date(startedAtMs).toISOString()}): this node is no member until that one is gone`;
    this.#core.emit({ type: 'conflict', member: news, isSelf: true, text });
  }

  #hearOfEarlier(news: News): void {
    if (this.#isReplaced) return;
    const { roster, timers } = this.#core;
    // Under the same id it is this very node, before it took a later start.
    if (news.id !== this.#member.id) roster.replace(news.id, news.name, timers.nowMs());
    this.#announce();
  }

  #hearOfThis(news: News, by: string | undefined): void {
    const { incarnation } = this.#member;
    // Nobody but this node raises it: a peer that says more is wrong, and corrected.
    const isTrue = news.state === this.#member.state && news.incarnation <= incarnation;
    if (this.#isReplaced || isTrue) return;
    if (news.incarnation < incarnation) {
      // Denied already, and not heard of by who says so.
      if (!this.#core.broadcasts.has(news.name)) this.#announce();
      return;
    }
    const { bug, health, counters } = this.#core;
    if (bug === 'no-refute') return;
    this.#say({ incarnation: news.incarnation + 1 });
    if (this.#member.state !== 'alive') return;
    counters.refutes++;
    if (news.state !== 'alive') this.#core.emit({ type: 'denied', was: news.state, by });
    // Others did not hear us in time: perhaps we are the slow one.
    health.add(1);
  }

  #say(change: Partial<Member>): void {
    this.#member = { ...this.#member, ...change };
    if (!this.#isReplaced) this.#put();
    this.#announce();
  }

  #put(): void {
    this.#core.roster.put(this.#member, this.#core.timers.nowMs());
  }

  #announce(onTold?: () => void): void {
    if (this.#isReplaced) return;
    const { name } = this.#member;
    this.#core.broadcasts.add(name, packNews(this.#member), onTold);
  }
}
