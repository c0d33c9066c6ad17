/**
 * Hashes whose fields expire, keys that do, and time that passes: the model of collections with a
 * clock, and the commands that it is about.
 */
import type { Random } from '../support/kernel-random.js';
import {
  type Collection,
  CollectionModel,
  Failure,
  identityOf,
  type Member,
  WRONG_TYPE,
} from './collection-models.js';
import type { CollectionSource, Step } from './collection-source.js';

/** Conditions of HEXPIRE, and flags of HSETEX. */
const NX = 1;
const XX = 2;
const GT = 4;
const LT = 8;
const FNX = 1;
const FXX = 2;
const KEEPTTL = 4;

type Fields = Extract<Collection, { type: 'hash' }>['fields'];

export class ExpiringModel extends CollectionModel {
  nowMs: number;
  /** When keys expire by themselves. */
  readonly own = new Map<string, number>();

  constructor(nowMs: number) {
    super();
    this.nowMs = nowMs;
  }

  override run(name: string, key: string, args: readonly unknown[]): unknown {
    this.drop();
    if (name in OF_KEYS) return this.#onKey(name, key, args);
    if (name in OF_FIELDS) return this.#onFields(name, key, args);
    const expiry = this.own.get(key);
    const reply = super.run(name, key, args);
    const replaced = name === 'RENAME' || name === 'COPY' ? (args[0] as string) : key;
    const isNew = name === 'SET' || name.endsWith('STORE') || replaced !== key;
    if (isNew && reply !== false && !(reply instanceof Failure)) {
      this.own.delete(replaced);
      if (replaced !== key && expiry !== undefined) this.own.set(replaced, expiry);
    }
    this.drop();
    return reply;
  }

  /** What has expired goes, and with a key its expiry. */
  drop(): void {
    for (const [key, expiry] of this.own) if (expiry <= this.nowMs) this.keys.delete(key);
    for (const [key, collection] of this.keys) {
      if (collection?.type !== 'hash') continue;
      for (const [id, { expiry }] of collection.fields) {
        if (expiry !== undefined && expiry <= this.nowMs) collection.fields.delete(id);
      }
      if (collection.fields.size === 0) this.keys.delete(key);
    }
    for (const key of this.own.keys()) if (!this.keys.has(key)) this.own.delete(key);
  }

  #onKey(name: string, key: string, args: readonly unknown[]): unknown {
    const isThere = this.keys.has(key);
    const expiry = this.own.get(key);
    if (name === 'EXISTS') return isThere ? 1 : 0;
    if (name === 'TTL') return !isThere ? -2 : expiry === undefined ? -1 : expiry - this.nowMs;
    if (!isThere) return false;
    if (name === 'PERSIST') return this.own.delete(key);
    const ttl = args[0] as number;
    if (ttl === 0) this.own.delete(key);
    else this.own.set(key, this.nowMs + ttl);
    return true;
  }

  #onFields(name: string, key: string, args: readonly unknown[]): unknown {
    const found = this.keys.get(key);
    if (this.keys.has(key) && found?.type !== 'hash') return WRONG_TYPE;
    const fields: Fields = found?.type === 'hash' ? found.fields : new Map();
    const reply = OF_FIELDS[name]!(fields, args, this.nowMs);
    if (fields.size === 0) {
      this.keys.delete(key);
      this.own.delete(key);
    } else {
      this.keys.set(key, { type: 'hash', fields });
    }
    return reply;
  }
}

const OF_KEYS: Record<string, true> = { EXPIRE: true, PERSIST: true, TTL: true, EXISTS: true };

const valueIn = (fields: Fields, field: Member): unknown =>
  fields.get(identityOf(field))?.value ?? null;

const OF_FIELDS: Record<
  string,
  (fields: Fields, args: readonly unknown[], now: number) => unknown
> = {
  HEXPIRE: (fields, [ttl, condition, ...names], now) =>
    (names as Member[]).map((name) => {
      const field = fields.get(identityOf(name));
      if (field === undefined) return -2;
      const bits = (condition as number | null) ?? 0;
      const old = field.expiry ?? Infinity;
      const expiry = now + (ttl as number);
      if (bits & NX && field.expiry !== undefined) return 0;
      if (bits & XX && field.expiry === undefined) return 0;
      if (bits & GT && expiry <= old) return 0;
      if (bits & LT && expiry >= old) return 0;
      if (ttl === 0) return fields.delete(identityOf(name)) ? 2 : 0;
      field.expiry = expiry;
      return 1;
    }),
  HPERSIST: (fields, names) =>
    (names as Member[]).map((name) => {
      const field = fields.get(identityOf(name));
      if (field === undefined) return -2;
      if (field.expiry === undefined) return -1;
      delete field.expiry;
      return 1;
    }),
  HTTL: (fields, names, now) =>
    (names as Member[]).map((name) => {
      const field = fields.get(identityOf(name));
      if (field === undefined) return -2;
      return field.expiry === undefined ? -1 : field.expiry - now;
    }),
  HSETEX: (fields, [ttl, flags, ...pairs], now) => {
    const bits = (flags as number | null) ?? 0;
    const names = pairs.filter((_, i) => i % 2 === 0) as Member[];
    const isThere = (name: Member): boolean => fields.has(identityOf(name));
    if (bits & FNX && names.some(isThere)) return false;
    if (bits & FXX && !names.every(isThere)) return false;
    for (const [i, name] of names.entries()) {
      const kept = bits & KEEPTTL ? fields.get(identityOf(name))?.expiry : undefined;
      const expiry = ttl ? now + (ttl as number) : kept;
      const field = { name, value: pairs[2 * i + 1] };
      fields.set(identityOf(name), expiry === undefined ? field : { ...field, expiry });
    }
    return true;
  },
  HGETEX: (fields, [ttl, ...names], now) =>
    (names as Member[]).map((name) => {
      const field = fields.get(identityOf(name));
      if (field === undefined) return null;
      if (ttl === 0) delete field.expiry;
      else if (ttl !== null) field.expiry = now + (ttl as number);
      return field.value;
    }),
  HGETDEL: (fields, names) =>
    (names as Member[]).map((name) => {
      const value = valueIn(fields, name);
      fields.delete(identityOf(name));
      return value;
    }),
};

/** Steps of a source, with others among them about what expires. */
export class ExpiringSource {
  readonly #random: Random;
  readonly #source: CollectionSource;
  /** How many of the steps are. */
  readonly #share: number;

  constructor(random: Random, source: CollectionSource, share = 0.4) {
    this.#random = random;
    this.#source = source;
    this.#share = share;
  }

  next(keys: readonly string[], sizeAt: (key: string) => number): Step {
    const random = this.#random;
    if (!random.chance(this.#share)) return this.#source.next(keys, sizeAt);
    const key = random.pick(keys);
    const roll = random.next();
    const fields = (most: number): Member[] =>
      Array.from({ length: random.between(1, most) }, () => this.#source.member());
    const pairs = (most: number): unknown[] =>
      fields(most).flatMap((field) => [field, this.#source.value()]);
    if (roll < 0.05) return { name: 'EXPIRE', key, args: [this.#ttl()] };
    if (roll < 0.08) return { name: 'PERSIST', key, args: [] };
    if (roll < 0.12) return { name: random.pick(['TTL', 'EXISTS']), key, args: [] };
    if (roll < 0.42) {
      const condition = random.pick([null, 0, 0, 0, NX, XX, GT, LT, XX | GT, XX | LT]);
      return { name: 'HEXPIRE', key, args: [this.#ttl(), condition, ...fields(9)] };
    }
    if (roll < 0.5) return { name: 'HPERSIST', key, args: fields(4) };
    if (roll < 0.6) return { name: 'HTTL', key, args: fields(9) };
    if (roll < 0.85) {
      const keeps = random.chance(0.2);
      const ttl = keeps ? null : random.pick([null, this.#ttl(), this.#ttl()]);
      const flags = random.pick([null, 0, 0, FNX, FXX]);
      const all = keeps ? (flags ?? 0) | KEEPTTL : flags;
      return { name: 'HSETEX', key, args: [ttl, all, ...pairs(flags ? 2 : 6)] };
    }
    if (roll < 0.95) {
      return { name: 'HGETEX', key, args: [random.pick([null, 0, this.#ttl()]), ...fields(6)] };
    }
    return { name: 'HGETDEL', key, args: fields(4) };
  }

  /** By how much time goes on before the next step. */
  passing(): number {
    const random = this.#random;
    if (random.chance(0.5)) return 0;
    if (random.chance(0.9)) return random.below(40);
    return random.chance(0.97) ? random.below(1500) : random.below(200_000);
  }

  #ttl(): number {
    const random = this.#random;
    if (random.chance(0.03)) return 0;
    return random.pick([random.between(1, 300), random.between(1, 5000), 60_000, 86_400_000]);
  }
}
