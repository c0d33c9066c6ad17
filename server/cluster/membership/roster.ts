/** All members that this node knows, itself among them, by name; and which ids were replaced. */
import { isLiving, type Member } from './member.js';

/** An id under whose name a later life came. */
export interface Replaced {
  readonly name: string;
  readonly atMs: number;
}

/** Replaced ids that are remembered: processes that restart do so one at a time. */
const REPLACED_MAX = 256;

export class Roster {
  readonly #selfName: string;
  readonly #members = new Map<string, Member>();
  readonly #namesById = new Map<string, string>();
  readonly #replaced = new Map<string, Replaced>();
  /** When each that is dead or left became so. */
  readonly #endedAtMs = new Map<string, number>();
  /** Of those that had ended: when they lived again. */
  readonly #returnedAtMs = new Map<string, number>();
  /** Those living but this node; undefined: to be made anew. */
  #peers: readonly Member[] | undefined;
  #version = 0;

  constructor(selfName: string) {
    this.#selfName = selfName;
  }

  get members(): ReadonlyMap<string, Member> {
    return this.#members;
  }

  /** Counts changes. */
  get version(): number {
    return this.#version;
  }

  get(name: string): Member | undefined {
    return this.#members.get(name);
  }

  byId(id: string): Member | undefined {
    const name = this.#namesById.get(id);
    return name === undefined ? undefined : this.#members.get(name);
  }

  replaced(id: string): Replaced | undefined {
    return this.#replaced.get(id);
  }

  /** All others that live or may do. */
  peers(): readonly Member[] {
    this.#peers ??= [...this.#members.values()].filter(
      (member) => member.name !== this.#selfName && isLiving(member),
    );
    return this.#peers;
  }

  /** Those living, this node among them. */
  livingCount(): number {
    return this.peers().length + 1;
  }

  /** Dead, not left, and for at most so long. */
  dead(nowMs: number, forMs: number): Member[] {
    const dead: Member[] = [];
    for (const [name, atMs] of this.#endedAtMs) {
      const member = this.#members.get(name)!;
      if (member.state === 'dead' && nowMs - atMs <= forMs) dead.push(member);
    }
    return dead;
  }

  /** Whether it is not living, or was not until at most so long ago. */
  isDoubtful(name: string, nowMs: number, forMs: number): boolean {
    const member = this.#members.get(name);
    if (member === undefined || !isLiving(member)) return true;
    const sinceMs = this.#returnedAtMs.get(name);
    return sinceMs !== undefined && nowMs - sinceMs <= forMs;
  }

  /** Instead of what was known of that name. */
  put(member: Member, nowMs: number): void {
    const known = this.#members.get(member.name);
    if (known !== undefined && known.id !== member.id) {
      this.#namesById.delete(known.id);
      this.replace(known.id, member.name, nowMs);
    }
    this.#members.set(member.name, member);
    this.#namesById.set(member.id, member.name);
    const wasLiving = known === undefined || isLiving(known);
    if (isLiving(member) && !wasLiving) this.#returnedAtMs.set(member.name, nowMs);
    if (isLiving(member) || member.name === this.#selfName) this.#endedAtMs.delete(member.name);
    else if (wasLiving) this.#endedAtMs.set(member.name, nowMs);
    this.#peers = undefined;
    this.#version++;
  }

  /** Remembers that an id is of an earlier life of that name. */
  replace(id: string, name: string, atMs: number): void {
    if (this.#replaced.has(id)) return;
    this.#replaced.set(id, { name, atMs });
    if (this.#replaced.size <= REPLACED_MAX) return;
    for (const oldest of this.#replaced.keys()) {
      this.#replaced.delete(oldest);
      return;
    }
  }

  /** Forgets those that have been dead, or gone, for longer. */
  forget(nowMs: number, keptMs: number): void {
    for (const [name, atMs] of this.#endedAtMs) {
      if (nowMs - atMs <= keptMs) continue;
      this.#namesById.delete(this.#members.get(name)!.id);
      this.#members.delete(name);
      this.#endedAtMs.delete(name);
      this.#returnedAtMs.delete(name);
      this.#version++;
    }
  }
}
