/** Random calls on the bytes of values, on floats, and on several keys in one step. */
import type { Key } from 'slabring';
import type { Call, Source } from './cache-calls.js';
import { formOf, msOf, someKeys, someTtl, textOf } from './cache-calls.js';
import { type CacheModel, Refusal } from './cache-model.js';

/** Keys of several arenas: nothing was done. */
const isCross = (reply: unknown): boolean => reply instanceof Refusal && reply.code === 'CROSSSLOT';

/** Text of one byte a character, or bytes. */
function someData(source: Source): string | Buffer {
  const { random } = source;
  const text = 'data'.repeat(random.below(random.pick([1, 20, 2000, 20_000])));
  return random.chance(0.5) ? text : Buffer.from(text);
}

export function append(source: Source): Call {
  const key = source.key();
  const form = formOf(source, key);
  const data = someData(source);
  return {
    text: `append ${data.length} to ${textOf(key)}`,
    direct: (cache) => cache.append(form, data),
    check: (model, reply) =>
      model.apply(key.id, reply, (state) =>
        model.append(key.id, data, source.maxValueBytes, state),
      ),
  };
}

export function byteLength(source: Source): Call {
  const key = source.key();
  const form = formOf(source, key);
  return {
    text: `byteLength ${textOf(key)}`,
    direct: (cache) => cache.byteLength(form),
    check: (model, reply) => model.apply(key.id, reply, (state) => model.byteLength(state)),
  };
}

export function getRange(source: Source): Call {
  const { random } = source;
  const key = source.key();
  const form = formOf(source, key);
  const [start, end] = [random.between(-9000, 9000), random.between(-9000, 9000)];
  return {
    text: `getRange ${textOf(key)} from ${start} to ${end}`,
    direct: (cache) => cache.getRange(form, start, end),
    check: (model, reply) =>
      model.apply(key.id, reply, (state) => model.getRange(start, end, state)),
  };
}

export function incrementFloat(source: Source): Call {
  const { random } = source;
  const key = source.key();
  const form = formOf(source, key);
  const delta = random.pick([random.next(), -random.next(), 1, 1.7e308]);
  const time = random.chance(0.3) ? someTtl(source) : undefined;
  const ms = time === undefined ? source.defaultTtl : msOf(time);
  return {
    text: `incrementFloat ${textOf(key)} by ${delta}`,
    direct: (cache) =>
      time === undefined
        ? cache.incrementFloat(form, delta)
        : cache.incrementFloat(form, delta, { ttl: time }),
    check: (model, reply) =>
      model.apply(key.id, reply, (state) => model.incrementFloat(key.id, delta, ms, state)),
  };
}

export function getAndExpire(source: Source): Call {
  const key = source.key();
  const form = formOf(source, key);
  const time = someTtl(source);
  return {
    text: `getAndExpire ${textOf(key)} ${time}`,
    direct: (cache) => cache.getAndExpire(form, time),
    check: (model, reply) =>
      model.apply(key.id, reply, (state) => model.getAndExpire(key.id, msOf(time), state)),
  };
}

export function move(source: Source): Call {
  const { random } = source;
  const [from, to] = [source.key(), source.key()];
  const [key, newKey] = [formOf(source, from), formOf(source, to)];
  const name = random.pick(['rename', 'renameIfAbsent', 'copy'] as const);
  const replace = name === 'rename' || (name === 'copy' && random.chance(0.5));
  return {
    text: `${name} ${textOf(from)} to ${textOf(to)}`,
    direct: (cache) => {
      if (name === 'copy') return cache.copy(key, newKey, replace ? { replace } : undefined);
      return name === 'rename' ? cache.rename(key, newKey) : cache.renameIfAbsent(key, newKey);
    },
    check: (model, reply) => {
      if (!isCross(reply)) model.applyMove(name, from.id, to.id, replace, reply);
    },
  };
}

export function getAll(source: Source): Call {
  const keys = someKeys(source, 20).filter(({ isRoomy }) => !isRoomy);
  const forms = keys.map((key) => formOf(source, key));
  return {
    text: `getAll of ${keys.length}`,
    direct: (cache) => cache.getAll(forms),
    check: (model, reply) => {
      if (isCross(reply) || isTooLarge(reply)) return;
      for (const [i, { id }] of keys.entries()) {
        model.apply(id, (reply as unknown[])[i], (state) => {
          const [read] = model.read(state);
          return [{ ...read!, reply: read!.reply ?? undefined }];
        });
      }
    },
  };
}

const isTooLarge = (reply: unknown): boolean =>
  reply instanceof Refusal && reply.code === 'TOOLARGE';

export function setAll(source: Source): Call {
  const { random, defaultTtl } = source;
  const keys = [...new Map(someKeys(source, 12).map((key) => [key.id, key])).values()];
  const pairs = keys.map((key): [Key, unknown] => [formOf(source, key), source.values.next(false)]);
  const time = random.chance(0.5) ? someTtl(source) : undefined;
  const ms = time === undefined ? defaultTtl : msOf(time);
  const options = time === undefined ? undefined : { ttl: time };
  return {
    text: `setAll of ${keys.length}`,
    direct: (cache) => cache.setAll(pairs, options),
    check: (model, reply) => {
      if (isCross(reply)) return;
      if (reply instanceof Refusal) refuse(model, keys, reply);
      else if (reply !== undefined) throw new Error('not undefined');
      else {
        for (const [i, { id }] of keys.entries()) {
          const write = { value: pairs[i]![1], ttl: ms };
          model.apply(id, true, (state) => model.set(id, write, false, state));
        }
      }
    },
  };
}

function refuse(model: CacheModel, keys: readonly { readonly id: string }[], reply: Refusal): void {
  const ids = keys.map(({ id }) => id);
  // Together they may be too many where each alone is not.
  const mayRefuse = ids.length > 1 || ids.some((id) => model.mayRefuse(id));
  if (reply.code !== 'OOM' || !mayRefuse) {
    throw new Error(`expected no ${reply.code}`);
  }
  model.refuseAll(ids);
}
