/** Random calls about keys, of leases and of rate limits, as those of cache-calls.ts. */
import { command, float, integer, str } from '../support/kernel-wire.js';
import { type Call, formOf, keyWire, nilOf, type Source, textOf } from './cache-calls.js';
import type { Shown } from './cache-model.js';

const OWNERS = ['me', 'you', 'somebody whose name is longer than 32 letters'];
const CAPACITY = 10;
const MS_PER_TOKEN = 250;

function type(source: Source): Call {
  const key = source.key();
  const form = formOf(source, key);
  return {
    text: `type ${textOf(key)}`,
    direct: (cache) => cache.type(form),
    wire: () => command('TYPE', keyWire(source, key)),
    shown: (reply) => reply ?? 'none',
    check: (model, reply, shown) =>
      model.apply(key.id, reply, (state) => model.type(state), { shown }),
  };
}

function describe(source: Source): Call {
  const key = source.key();
  const form = formOf(source, key);
  return {
    text: `describe ${textOf(key)}`,
    direct: (cache) => {
      const description = cache.describe(form);
      const bytes = cache.memoryUsage(form);
      if (description?.memoryBytes !== bytes) throw new Error(`${bytes} bytes of memory`);
      return description;
    },
    check: (model, reply) =>
      model.apply(key.id, reply, (state) => model.describe(reply, state), { leaves: true }),
  };
}

function acquire(source: Source): Call {
  const { random } = source;
  const key = source.key();
  const form = formOf(source, key);
  const owner = random.pick(OWNERS);
  const ttl = random.between(1, 4000);
  return {
    text: `acquireLease ${textOf(key)} ${owner}`,
    direct: (cache) => cache.acquireLease(form, owner, ttl),
    wire: () => command('LOCK', keyWire(source, key), str(owner), integer(ttl)),
    shown: nilOf,
    check: (model, reply, shown) => {
      model.apply(key.id, reply, (state) => model.acquire(key.id, owner, ttl, reply, state), {
        shown,
      });
      if (typeof reply === 'number') model.rememberFence(key.id, reply);
    },
  };
}

function release(source: Source): Call {
  const key = source.key();
  const form = formOf(source, key);
  const owner = source.random.pick(OWNERS);
  return {
    text: `releaseLease ${textOf(key)} ${owner}`,
    direct: (cache) => cache.releaseLease(form, owner),
    wire: () => command('UNLOCK', keyWire(source, key), str(owner)),
    check: (model, reply) => model.apply(key.id, reply, (state) => model.release(owner, state)),
  };
}

function extend(source: Source): Call {
  const key = source.key();
  const form = formOf(source, key);
  const owner = source.random.pick(OWNERS);
  const ttl = source.random.between(1, 4000);
  return {
    text: `extendLease ${textOf(key)} ${owner}`,
    direct: (cache) => cache.extendLease(form, owner, ttl),
    wire: () => command('EXTEND', keyWire(source, key), str(owner), integer(ttl)),
    check: (model, reply) =>
      model.apply(key.id, reply, (state) => model.extend(key.id, owner, ttl, state)),
  };
}

/** How LIMIT shows what `limit` returns. */
const asLimit: Shown = (reply) => {
  if (typeof reply !== 'object' || !('allowed' in reply!)) return reply;
  const { allowed, remaining, retryAfterMs, fullAfterMs } = reply as Record<string, number>;
  return [allowed, remaining, retryAfterMs === Infinity ? -1 : retryAfterMs, fullAfterMs];
};

function limit(source: Source): Call {
  const key = source.key();
  const form = formOf(source, key);
  const cost = source.random.pick([0, 1, 1, 3, 8, 11]);
  const options = { capacity: CAPACITY, refillPerSecond: 1000 / MS_PER_TOKEN, cost };
  return {
    text: `limit ${textOf(key)} ${cost}`,
    direct: (cache) => cache.limit(form, options),
    wire: () => {
      const rate = float(options.refillPerSecond);
      return command('LIMIT', keyWire(source, key), integer(CAPACITY), rate, integer(cost));
    },
    shown: asLimit,
    check: (model, reply, shown) =>
      model.apply(
        key.id,
        reply,
        (state) => model.limit(key.id, CAPACITY, MS_PER_TOKEN, cost, state),
        { shown },
      ),
  };
}

/** Each with how often it is drawn. */
export const KEY_CALLS: readonly (readonly [number, (source: Source) => Call])[] = [
  [1, type],
  [1, describe],
  [4, acquire],
  [2, release],
  [1, extend],
  [4, limit],
];
