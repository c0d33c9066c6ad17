/** How msgpackr packs values, and what it must not pack. */
import type { Options } from 'msgpackr';
import { SlabringError } from './errors.js';

/** How values are packed; with record structures (structures.ts) `useRecords` is another. */
export const PACKR_OPTIONS = {
  // Records would need their structures at hand to be read: any msgpack library must be able to
  // read our values.
  useRecords: false,
  mapsAsObjects: true,
  // The shortest map headers, and no limit of 65,535 properties.
  variableMapSize: true,
  // Typed arrays and large bigints as extensions. Without it msgpackr writes garbage for a
  // Float64Array. With it, it writes Set, RegExp and Error as two msgpack values, which `pack`
  // therefore refuses.
  moreTypes: true,
  // 64-bit integers as numbers where exact, else as bigint. msgpackr knows 'auto', its types do
  // not.
  int64AsType: 'auto' as 'number',
  // A byte array inside a value must not be a view on the scratch buffer.
  copyBuffers: true,
  writeFunction: () => refuse('a function inside it'),
} satisfies Options;

/** @throws SlabringError always */
export function refuse(what: string): never {
  throw new SlabringError('OPTION', `a value must be something msgpack can hold, not ${what}`);
}
