/**
 * Style as a test: the rules of the house, each shown to bite, and the tables that must stay in
 * step.
 */
import { readFileSync } from 'node:fs';
import { Client } from 'slabring/client';
import { describe, expect, it } from 'vitest';
import { Cache } from '#engine/cache.js';
import { COMMANDS, type CommandName, KEY_TYPES } from '#engine/commands.js';
import { ERROR_CODES } from '#engine/errors.js';
import { Hash } from '#engine/handles/hash.js';
import { List } from '#engine/handles/list.js';
import { Members } from '#engine/handles/members.js';
import { SortedSet } from '#engine/handles/sorted.js';
import { INTEGRITY_RULES, KERNEL_ERROR_TEXTS } from '#engine/kernel-exports.js';
import { readSources } from './support/source-tree.js';
import { RULES } from './support/tidy-rules.js';

const sources = readSources();

describe.each(RULES)('$name', (rule) => {
  it('holds', () => {
    expect(rule.check(sources)).toEqual([]);
  });

  it.each(rule.canary)('and objects to $path with $text', (file) => {
    expect(rule.check([file])).not.toEqual([]);
  });
});

it('the sources were found', () => {
  expect(sources.length).toBeGreaterThan(100);
});

/**
 * The methods that send each command; none: the reason. `Cache` and `Client` share these names, and
 * the handles of collections altogether: `handle` has their methods.
 */
type Methods =
  | { cache: string[] | string; client: string[] | string }
  | { handle: readonly string[] };

/** By the methods of `Cache` and `Client` that make them. */
const HANDLES = { list: List, members: Members, hash: Hash, sorted: SortedSet } as const;

const METHODS: Partial<Record<CommandName, Methods>> = {
  PING: { cache: 'there is nobody to ask', client: ['ping'] },
  HELLO: { cache: 'there is nobody to greet', client: 'the connection greets by itself' },
  ATOMIC: { cache: ['atomic'], client: ['atomic'] },
  WAIT: { cache: 'there is nobody to wait for', client: ['with'] },
  GET: { cache: ['get', 'getBytes', 'getMany'], client: ['get', 'getBytes', 'getMany'] },
  SET: {
    cache: ['set', 'setBytes', 'setMany', 'swap'],
    client: ['set', 'setBytes', 'setMany', 'swap'],
  },
  DEL: { cache: ['delete', 'deleteMany'], client: ['delete', 'deleteMany'] },
  EXISTS: { cache: ['has', 'hasMany'], client: ['has', 'hasMany'] },
  EXPIRE: { cache: ['expire'], client: ['expire'] },
  TTL: { cache: ['ttl'], client: ['ttl'] },
  PERSIST: { cache: ['persist'], client: ['persist'] },
  TOUCH: { cache: ['touch', 'touchMany'], client: ['touch', 'touchMany'] },
  GETV: { cache: ['getVersioned'], client: ['getVersioned'] },
  INCR: { cache: ['increment'], client: ['increment'] },
  APPEND: { cache: ['append'], client: ['append'] },
  STRLEN: { cache: ['byteLength'], client: ['byteLength'] },
  GETRANGE: { cache: ['getRange'], client: ['getRange'] },
  SETRANGE: { cache: ['setRange'], client: ['setRange'] },
  INCRFLOAT: { cache: ['incrementFloat'], client: ['incrementFloat'] },
  GETDEL: { cache: ['take'], client: ['take'] },
  GETEX: { cache: ['getAndExpire'], client: ['getAndExpire'] },
  MGET: { cache: ['getAll'], client: ['getAll'] },
  MSET: { cache: ['setAll'], client: ['setAll'] },
  MSETNX: { cache: ['setAllIfAbsent'], client: ['setAllIfAbsent'] },
  RENAME: { cache: ['rename'], client: ['rename'] },
  RENAMENX: { cache: ['renameIfAbsent'], client: ['renameIfAbsent'] },
  COPY: { cache: ['copy'], client: ['copy'] },
  TYPE: { cache: ['type'], client: ['type'] },
  SCAN: {
    cache: ['scan', 'scanPage', 'keys', 'values', 'entries'],
    client: ['scan', 'scanPage', 'keys', 'values', 'entries'],
  },
  RANDOMKEY: { cache: ['randomKey'], client: ['randomKey'] },
  LOCK: { cache: ['acquireLease'], client: ['acquireLease'] },
  UNLOCK: { cache: ['releaseLease'], client: ['releaseLease'] },
  EXTEND: { cache: ['extendLease'], client: ['extendLease'] },
  LIMIT: { cache: ['limit'], client: ['limit'] },
  DBSIZE: { cache: ['size'], client: ['size'] },
  FLUSH: { cache: ['clear'], client: ['clear'] },
  MEMORY: { cache: ['memoryUsage'], client: ['memoryUsage'] },
  OBJECT: { cache: ['describe'], client: ['describe'] },
  LPUSH: { handle: ['list.unshift'] },
  RPUSH: { handle: ['list.push'] },
  LPUSHX: { handle: ['list.unshiftIfPresent'] },
  RPUSHX: { handle: ['list.pushIfPresent'] },
  LPOP: { handle: ['list.shift'] },
  RPOP: { handle: ['list.pop'] },
  LLEN: { handle: ['list.length'] },
  LRANGE: { handle: ['list.slice'] },
  LINDEX: { handle: ['list.at'] },
  LSET: { handle: ['list.set'] },
  LTRIM: { handle: ['list.trim'] },
  LINSERT: { handle: ['list.insertBefore', 'list.insertAfter'] },
  LREM: { handle: ['list.remove'] },
  LPOS: { handle: ['list.indexOf', 'list.lastIndexOf', 'list.indexesOf'] },
  LMOVE: { handle: ['list.moveTo'] },
  SADD: { handle: ['members.add'] },
  SREM: { handle: ['members.delete'] },
  SISMEMBER: { handle: ['members.has'] },
  SMISMEMBER: { handle: ['members.hasMany'] },
  SCARD: { handle: ['members.size'] },
  SMEMBERS: { handle: ['members.values'] },
  SPOP: { handle: ['members.pop'] },
  SRANDMEMBER: { handle: ['members.random'] },
  SMOVE: { handle: ['members.moveTo'] },
  SINTER: { handle: ['members.intersection'] },
  SINTERCARD: { handle: ['members.intersectionSize'] },
  SUNIONCARD: { handle: ['members.unionSize'] },
  SDIFFCARD: { handle: ['members.differenceSize'] },
  SUNION: { handle: ['members.union'] },
  SDIFF: { handle: ['members.difference'] },
  SINTERSTORE: { handle: ['members.intersectionInto'] },
  SUNIONSTORE: { handle: ['members.unionInto'] },
  SDIFFSTORE: { handle: ['members.differenceInto'] },
  SSCAN: { handle: ['members.scan', 'members.scanPage'] },
  HSET: { handle: ['hash.set', 'hash.setMany'] },
  HSETNX: { handle: ['hash.setIfAbsent'] },
  HGET: { handle: ['hash.get'] },
  HMGET: { handle: ['hash.getMany'] },
  HGETALL: { handle: ['hash.entries', 'hash.toMap', 'hash.toObject'] },
  HDEL: { handle: ['hash.delete'] },
  HEXISTS: { handle: ['hash.has'] },
  HLEN: { handle: ['hash.size'] },
  HKEYS: { handle: ['hash.fields'] },
  HVALS: { handle: ['hash.values'] },
  HSTRLEN: { handle: ['hash.byteLength'] },
  HINCRBY: { handle: ['hash.increment'] },
  HINCRBYFLOAT: { handle: ['hash.incrementFloat'] },
  HRANDFIELD: { handle: ['hash.random', 'hash.randomEntries'] },
  HSCAN: { handle: ['hash.scan', 'hash.scanPage'] },
  HEXPIRE: { handle: ['hash.expire', 'hash.expireMany'] },
  HPERSIST: { handle: ['hash.persist'] },
  HTTL: { handle: ['hash.ttl', 'hash.ttlMany'] },
  // `set` and `setMany` with options.
  HSETEX: { handle: [] },
  HGETEX: { handle: ['hash.getAndExpire', 'hash.getManyAndExpire'] },
  HGETDEL: { handle: ['hash.take', 'hash.takeMany'] },
  ZADD: { handle: ['sorted.set', 'sorted.setMany'] },
  ZREM: { handle: ['sorted.delete'] },
  ZSCORE: { handle: ['sorted.score', 'sorted.has'] },
  ZMSCORE: { handle: ['sorted.scores'] },
  ZINCRBY: { handle: ['sorted.increment'] },
  ZCARD: { handle: ['sorted.size'] },
  ZCOUNT: { handle: ['sorted.countByScore'] },
  ZRANK: { handle: ['sorted.rank'] },
  ZREVRANK: { handle: ['sorted.reverseRank'] },
  ZRANGE: {
    handle: [
      ...['sorted.slice', 'sorted.entries'],
      ...['sorted.byScore', 'sorted.entriesByScore', 'sorted.byName'],
    ],
  },
  ZRANGESTORE: { handle: ['sorted.byScoreInto', 'sorted.byNameInto', 'sorted.sliceInto'] },
  ZPOPMIN: { handle: ['sorted.popLowest'] },
  ZPOPMAX: { handle: ['sorted.popHighest'] },
  ZRANDMEMBER: { handle: ['sorted.random', 'sorted.randomEntries'] },
  ZSCAN: { handle: ['sorted.scan', 'sorted.scanPage'] },
  ZLEXCOUNT: { handle: ['sorted.countByName'] },
  ZUNION: { handle: ['sorted.union', 'sorted.unionEntries'] },
  ZINTER: { handle: ['sorted.intersection', 'sorted.intersectionEntries'] },
  ZDIFF: { handle: ['sorted.difference', 'sorted.differenceEntries'] },
  ZUNIONSTORE: { handle: ['sorted.unionInto'] },
  ZINTERSTORE: { handle: ['sorted.intersectionInto'] },
  ZDIFFSTORE: { handle: ['sorted.differenceInto'] },
  ZINTERCARD: { handle: ['sorted.intersectionSize'] },
};

/**
 * What only one of the two has: the memory is here or it is not, the connection is there or it is
 * not.
 */
const ONLY_CACHE = [
  ...['stats', 'checkIntegrity', 'share', 'changes', 'on', 'namespace', 'namespaces'],
  ...['verify', 'importFile', 'exportFile', 'reapThreads'],
  // A loop does what `forEach` does, and can wait; the other has no command.
  ...['forEach', 'peek'],
];
const ONLY_CLIENT = [
  ...['state', 'facts', 'outstanding', 'on', 'ready', 'ping', 'send'],
  ...['with', 'cluster'],
];

/** Those of the class and of what it extends. */
function methodsOf(type: { prototype: object }): string[] {
  const names = new Set<string>();
  for (let at = type.prototype; at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const name of Object.getOwnPropertyNames(at)) names.add(name);
  }
  names.delete('constructor');
  return [...names];
}

describe('the command table', () => {
  const rows = Object.entries(COMMANDS);

  it('has codes that the kernel looks for, in ascending order, each once', () => {
    const codes = rows.map(([, row]) => row.code);
    expect(codes).toEqual([...new Set(codes)].sort((a, b) => a - b));
    const kernel = readFileSync('engine/kernel/commands.ts', 'utf8');
    const [, end] = /NAMED_CODES: u32 = (0x[0-9a-f]+);/.exec(kernel)!;
    expect(Math.max(...codes)).toBeLessThan(Number(end));
  });

  it.each(rows)('%s says the same of its arguments twice', (_, row) => {
    const args: readonly string[] = row.args;
    const required = args.filter((name) => !name.endsWith('?') && name !== '...');
    expect(row.minArgs).toBe(required.length);
    expect(row.maxArgs).toBe(args.includes('...') ? 255 : args.length);
    expect(row.firstKey).toBe(args.indexOf('key'));
  });

  it.each(rows)('%s is run by the kernel, or by the host', (_, row) => {
    const files = ['engine/kernel/exec.ts', 'engine/kernel/types/commands.ts'];
    const exec = files.map((path) => readFileSync(path, 'utf8')).join('');
    const code = `0x${row.code.toString(16).padStart(2, '0')}`;
    const isCase = new RegExp(`case ${code}:|const [A-Z]+: u32 = ${code};`).test(exec);
    expect(isCase).toBe(!row.host);
  });

  it('has a list of methods for every command', () => {
    expect(Object.keys(METHODS).sort()).toEqual(Object.keys(COMMANDS).sort());
  });

  it.each(Object.entries(METHODS))('%s has its methods', (_, methods) => {
    if ('handle' in methods) {
      expect(methodsOfHandles()).toEqual(expect.arrayContaining([...methods.handle]));
      return;
    }
    const { cache, client } = methods;
    expect(methodsOf(Cache)).toEqual(expect.arrayContaining([cache].flat().filter(isMethod)));
    expect(methodsOf(Client)).toEqual(expect.arrayContaining([client].flat().filter(isMethod)));
  });

  it('reaches Cache and Client under the same names', () => {
    const shared = methodsOf(Cache).filter((name) => !ONLY_CACHE.includes(name));
    expect(shared.sort()).toEqual(
      methodsOf(Client)
        .filter((name) => !ONLY_CLIENT.includes(name))
        .sort(),
    );
    const all = Object.values(METHODS);
    const listed = all.flatMap((methods) => ('cache' in methods ? methods.cache : []));
    expect(shared.filter((name) => name !== 'close').sort()).toEqual(
      [...listed.filter(isMethod), ...Object.keys(HANDLES)].sort(),
    );
    const inHandles = all.flatMap((methods) => ('handle' in methods ? methods.handle : []));
    expect(methodsOfHandles().sort()).toEqual([...inHandles].sort());
  });
});

/** As `METHODS` has them. */
function methodsOfHandles(): string[] {
  return Object.entries(HANDLES).flatMap(([name, type]) =>
    Object.getOwnPropertyNames(type.prototype)
      .filter((method) => method !== 'constructor')
      .map((method) => `${name}.${method}`),
  );
}

/** A reason has spaces. */
function isMethod(name: string): boolean {
  return !name.includes(' ');
}

describe('the constants of the kernel', () => {
  const module = new WebAssembly.Module(readFileSync('dist/engine/kernel.wasm'));
  const named = (prefix: string): string[] =>
    WebAssembly.Module.exports(module)
      .map(({ name }) => name)
      .filter((name) => name.startsWith(prefix))
      .sort();

  it('of errors have a text each, and no text is left over', () => {
    expect(Object.keys(KERNEL_ERROR_TEXTS).sort()).toEqual(named('ERROR_'));
  });

  it('of integrity have a rule each, and no rule is left over', () => {
    expect(Object.keys(INTEGRITY_RULES).sort()).toEqual(named('BROKEN_'));
  });

  it.each(Object.entries(KERNEL_ERROR_TEXTS))('%s begins with a code and fits', (_, text) => {
    expect(ERROR_CODES).toContain(text.split(' ', 1)[0]);
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(126);
  });
});

it('the kernel and the host have the same names of what a key holds, in the same order', () => {
  const kinds = readFileSync('engine/kernel/types/kinds.ts', 'utf8');
  const names = [...kinds.matchAll(/^const [A-Z]+: u64 = 0x([0-9a-f]+);/gm)].map(([, hex]) =>
    Buffer.from(hex!, 'hex').reverse().toString(),
  );
  expect(names).toEqual([...KEY_TYPES]);
  const entry = readFileSync('engine/kernel/entry.ts', 'utf8').replaceAll(
    'CHUNK_BLOB',
    'CHUNK_STRING',
  );
  for (const [number, name] of KEY_TYPES.entries()) {
    if (number > 0) expect(entry).toContain(`CHUNK_${name.toUpperCase()}: u8 = ${number};`);
  }
});

it('the kernel and the host allow the same longest time to live', async () => {
  const { MAX_TTL_MS } = await import('#engine/units.js');
  const blob = readFileSync('engine/kernel/types/blob.ts', 'utf8');
  const inKernel = /MAX_TTL_MS: i64 = ([\d_]+);/.exec(blob)?.[1]?.replaceAll('_', '');
  expect(Number(inKernel)).toBe(MAX_TTL_MS);
  expect(KERNEL_ERROR_TEXTS.ERROR_TTL).toContain(`to ${MAX_TTL_MS} milliseconds`);
});

describe('package-lock.json', () => {
  interface Locked {
    version?: string;
    dependencies?: Record<string, string>;
    optionalDependencies?: Record<string, string>;
  }
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
    packages: Record<string, Locked>;
  };

  // npm leaves out packages for other platforms when it cannot get at them, and `npm ci` then
  // refuses the whole lock.
  it('has every package that another one asks for, also those for other platforms', () => {
    const missing = Object.entries(packages).flatMap(
      ([at, { dependencies, optionalDependencies }]) =>
        Object.keys({ ...dependencies, ...optionalDependencies })
          .filter(
            (name) => !packages[`${at}/node_modules/${name}`] && !packages[`node_modules/${name}`],
          )
          .map((name) => `${at} asks for ${name}`),
    );
    expect(missing).toEqual([]);
  });
});
