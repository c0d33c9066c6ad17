/** What `slabring bench --mix` takes: which commands are sent, and what they work on. */
import { InvalidArgumentError } from 'commander';
import { LIST_LENGTH_TEXT, SHAPES, type Shape } from './load/shape.js';

export interface Mix {
  /** For the head of a report. */
  readonly text: string;
  readonly shape: Shape;
  /** The share of reads. */
  readonly getShare: number;
}

/** The mixes of one command. */
const MIXES: Readonly<Record<string, Omit<Mix, 'text'>>> = {
  get: { shape: SHAPES.strings, getShare: 1 },
  set: { shape: SHAPES.strings, getShare: 0 },
  hget: { shape: SHAPES.hash, getShare: 1 },
  hset: { shape: SHAPES.hash, getShare: 0 },
  sadd: { shape: SHAPES.set, getShare: 0 },
  zadd: { shape: SHAPES.sortedSet, getShare: 0 },
  lpush: { shape: SHAPES.list, getShare: 0 },
};
const NAMES = Object.keys(MIXES).map((name) => `'${name}'`);

export const MIX_HELP = `
Mixes:
  get, set, 90:10  GET and SET of keys
  hget, hset       of fields of one hash, which holds all keys as its fields
  sadd             of members of one set, which holds all keys, without values
  zadd             of members of one sorted set, likewise; each ZADD gives its
                   member another score, an integer
  lpush            of values, to one list. It would grow without end: behind
                   each frame an LTRIM, on every server, cuts it to ${LIST_LENGTH_TEXT}
                   elements. It does not count as an operation, but its time is in
                   theirs, so a small --pipeline measures it as well.
What the commands work on is filled before measuring, but for the list. --vs
memcached knows get, set and 90:10 only.`;

/** Reads a mix as it stands on the command line. */
export function readMix(text: string): Mix {
  const mix = Object.hasOwn(MIXES, text) ? MIXES[text] : undefined;
  if (mix !== undefined) return { text: `100 % ${text.toUpperCase()}`, ...mix };
  const parts = /^(\d+):(\d+)$/.exec(text);
  const [gets, sets] = [Number(parts?.[1]), Number(parts?.[2])];
  if (!(gets + sets > 0)) {
    throw new InvalidArgumentError(
      `It must be ${NAMES.join(', ')}, or GETs to SETs such as '90:10'.`,
    );
  }
  return {
    text: `GET to SET ${text}`,
    shape: SHAPES.strings,
    getShare: gets / (gets + sets),
  };
}
