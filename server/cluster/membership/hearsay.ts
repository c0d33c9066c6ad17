/**
 * What is said of others, and what this node makes of it: suspicions, deaths, new members. What was
 * news is passed on.
 */
import type { Core } from './core.js';
import { type Claim, compareLives, isLiving, isNews, type Member } from './member.js';
import type { Own } from './own.js';
import { suspicionTimesOf } from './presets.js';
import { Suspicion } from './suspicion.js';
import { isClaim, type News, packNews } from './wire.js';

export interface Source {
  /** The name of the node that sent it; undefined: not known. */
  readonly by: string | undefined;
  /**
   * It is part of all that the sender knows. What it calls dead may have been so for it alone, in
   * its part of a split network: here it becomes suspect, and has the time to deny it.
   */
  readonly isSync: boolean;
  /** Nobody needs to hear it from this node: who joins learns what all others know. */
  readonly isQuiet: boolean;
}

export interface SuspicionHooks {
  /** Another node suspected it first. */
  readonly onSuspected: (name: string) => void;
  /** It is about to be called dead. */
  readonly onLastCall: (suspect: Member) => void;
}

export class Hearsay {
  readonly #core: Core;
  readonly #own: Own;
  readonly #hooks: SuspicionHooks;
  readonly #suspicions = new Map<string, Suspicion>();

  constructor(core: Core, own: Own, hooks: SuspicionHooks) {
    this.#core = core;
    this.#own = own;
    this.#hooks = hooks;
  }

  hear(news: News, source: Source): void {
    if (news.name === this.#own.member.name) this.#hearOwn(news, source.by);
    else if (isClaim(news)) this.#hearClaim(news, source);
    else this.#hearRecord(news, source);
  }

  #hearOwn(news: News, by: string | undefined): void {
    this.#own.hear(news, by);
    // That was one of who has the name of this node: it has denied it, or is no more.
    if (this.#core.roster.get(news.name)?.state !== 'suspect') this.#endSuspicion(news.name);
  }

  /** This node's own finding: the member did not answer. */
  suspect(member: Member): void {
    this.#hearClaim(this.#claim(member, 'suspect'), {
      by: undefined,
      isSync: false,
      isQuiet: false,
    });
  }

  /** The machine of a member says that the process is no more. */
  findDeserted(member: Member): void {
    this.suspect(member);
    this.#suspicions.get(member.name)?.hasten();
  }

  /** What was not heard in a stall counts against nobody. */
  onStall(): void {
    for (const suspicion of this.#suspicions.values()) suspicion.restart();
  }

  #hearRecord(record: Member, source: Source): void {
    const known = this.#core.roster.get(record.name);
    const lives = isLiving(record);
    if (known === undefined) {
      // A tombstone of one never met says nothing; passed round it would never end.
      if (lives) this.#welcome(record, source);
    } else if (compareLives(record, known) > 0) {
      this.#replace(known, record, source);
    } else if (compareLives(record, known) === 0 && lives) {
      this.#hearLiving(record, known, source);
    }
    if (record.state === 'alive') return;
    // Not an object spread: the rest of a record is not of a claim.
    const by = source.by ?? record.name;
    this.#hearClaim({ ...this.#claim(record, record.state), by }, source);
  }

  #welcome(record: Member, { isQuiet }: Source): void {
    const member: Member = { ...record, state: 'alive' };
    this.#put(member);
    if (!isQuiet) this.#tell(member);
    this.#core.emit({ type: 'joined', member });
  }

  /** A later life: the earlier one is dead at once. */
  #replace(known: Member, record: Member, source: Source): void {
    this.#endSuspicion(known.name);
    if (isLiving(known)) {
      const dead: Member = { ...known, state: 'dead' };
      this.#put(dead);
      this.#core.emit({ type: 'dead', member: dead, by: record.name });
    }
    if (isLiving(record)) this.#welcome(record, source);
    else this.#put(record);
  }

  /** What a member said of itself, in the same life. */
  #hearLiving(record: Member, known: Member, { isQuiet }: Source): void {
    const isStale = record.incarnation <= known.incarnation;
    if (isStale && !(this.#core.bug === 'stale-alive' && !isLiving(known))) return;
    this.#endSuspicion(known.name);
    const member: Member = { ...record, state: 'alive' };
    this.#put(member);
    if (!isQuiet) this.#tell(member);
    const { emit } = this.#core;
    if (known.state !== 'alive') emit({ type: 'alive', member, was: known.state });
    if (Buffer.compare(known.meta, member.meta) !== 0) emit({ type: 'updated', member });
  }

  #hearClaim(claim: Claim, source: Source): void {
    const known = this.#core.roster.get(claim.name);
    if (known === undefined || compareLives(claim, known) !== 0 || claim.state === 'alive') return;
    // What somebody calls dead who was thought dead may be so in its part of a split network only.
    const isSplit = source.isSync || this.#isDoubtful(claim.by);
    const isSoftened = claim.state === 'dead' && isSplit && isLiving(known);
    const heard: Claim = isSoftened ? { ...claim, state: 'suspect' } : claim;
    const isConfirmation =
      heard.state === 'suspect' &&
      known.state === 'suspect' &&
      heard.incarnation === known.incarnation;
    if (isConfirmation) this.#confirm(heard);
    else if (isNews(heard, known)) this.#accept(known, heard, source);
    else if (known.state === 'alive' && !this.#core.broadcasts.has(known.name)) {
      // It denied that, and the denial has not come to who says so.
      this.#tell(known);
    }
  }

  #isDoubtful(name: string): boolean {
    const { roster, timers, preset } = this.#core;
    return roster.isDoubtful(name, timers.nowMs(), preset.deadGossipMs);
  }

  #confirm(claim: Claim): void {
    if (this.#suspicions.get(claim.name)?.confirm(claim.by)) this.#tell(claim);
  }

  #accept(known: Member, claim: Claim, source: Source): void {
    const { name, incarnation, state } = claim;
    const { emit } = this.#core;
    const member: Member = { ...known, incarnation, state };
    this.#endSuspicion(name);
    this.#put(member);
    if (!source.isQuiet) this.#tell(claim);
    if (state === 'left') emit({ type: 'left', member });
    else if (state === 'dead') emit({ type: 'dead', member, by: claim.by });
    else {
      if (!isLiving(known)) emit({ type: 'alive', member, was: known.state as 'dead' | 'left' });
      this.#beginSuspicion(member, claim.by);
    }
  }

  #beginSuspicion(member: Member, by: string): void {
    const { preset, roster, timers, counters, emit } = this.#core;
    const living = roster.livingCount();
    // All but the suspect and its accuser.
    const wanted = Math.max(0, Math.min(preset.confirmations, living - 2));
    const { lastCallMs } = preset;
    const times = { ...suspicionTimesOf(preset, living), lastCallMs, wanted };
    const suspicion = new Suspicion(timers, times, by, {
      onLastCall: () => this.#hooks.onLastCall(member),
      onTimeout: () => this.#onTimeout(member.name),
    });
    this.#suspicions.set(member.name, suspicion);
    counters.suspicions++;
    emit({ type: 'suspected', member, by });
    if (by !== this.#own.member.name) this.#hooks.onSuspected(member.name);
  }

  #onTimeout(name: string): void {
    const { roster, emit } = this.#core;
    const known = roster.get(name)!;
    this.#endSuspicion(name);
    const dead: Member = { ...known, state: 'dead' };
    this.#put(dead);
    const claim = this.#claim(dead, 'dead');
    this.#tell(claim);
    emit({ type: 'dead', member: dead, by: claim.by });
    // The name is this node's again.
    if (name === this.#own.member.name) this.#own.hear(claim, undefined);
  }

  #endSuspicion(name: string): void {
    this.#suspicions.get(name)?.cancel();
    this.#suspicions.delete(name);
  }

  #claim({ name, id, startedAtMs, incarnation }: Member, state: Member['state']): Claim {
    return { name, id, startedAtMs, incarnation, state, by: this.#own.member.name };
  }

  #put(member: Member): void {
    this.#core.roster.put(member, this.#core.timers.nowMs());
  }

  #tell(news: News): void {
    this.#core.broadcasts.add(news.name, packNews(news));
  }
}
