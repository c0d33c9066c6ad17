/**
 * Readers of command-line values, for commander's `argParser`: each says what was wrong and what is
 * allowed.
 */
import { InvalidArgumentError } from 'commander';
import { SlabringError } from '../../engine/errors.js';
import { parseByteSize, parseDuration } from '../../engine/units.js';

/** A reader of whole numbers from `min` to `max`. */
export function wholeNumber(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = /^[\d_]+$/.test(text) ? Number(text.replaceAll('_', '')) : Number.NaN;
    if (!(value >= min && value <= max)) {
      const range =
        max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
      throw new InvalidArgumentError(`It must be a whole number ${range}.`);
    }
    return value;
  };
}

/** A reader of numbers from `min` to `max`, fractions allowed. */
export function decimalNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) {
      throw new InvalidArgumentError(`It must be a number from ${min} to ${max}.`);
    }
    return value;
  };
}

/** A power of two (partitions are picked by hash bits). */
export function powerOfTwo(text: string): number {
  const value = wholeNumber(1, 4096)(text);
  if ((value & (value - 1)) !== 0) {
    throw new InvalidArgumentError('It must be a power of two: 1, 2, 4, 8, ...');
  }
  return value;
}

/** Bytes, or text such as `64mb`. */
export function byteSize(text: string): number {
  try {
    return parseByteSize(/^\d+$/.test(text) ? Number(text) : text, 'it');
  } catch (error) {
    if (!(error instanceof SlabringError)) throw error;
    throw new InvalidArgumentError("It must be a number of bytes or text such as '64mb' or '1gb'.");
  }
}

/** Milliseconds, or text such as `30s`. */
export function duration(text: string): number {
  try {
    return parseDuration(text as `${number}s`, 'the time');
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}

/** The address of a node: `ws://`, `wss://` or `ws+unix:`. */
export function nodeUrl(text: string): string {
  if (!/^(wss?:\/\/[^/\s]+|ws\+unix:\S+)/.test(text)) {
    throw new InvalidArgumentError(
      "It must look like 'ws://127.0.0.1:7707', 'wss://HOST:PORT' or 'ws+unix:PATH:/'.",
    );
  }
  return text;
}

/** What a node is asked by HTTP at: `http://`, `https://`, `ws://`, `wss://` or `HOST:PORT`. */
export function httpUrl(text: string): string {
  const url = /^[^/\s]+:\d+$/.test(text) ? `http://${text}` : text.replace(/^ws(?=s?:)/, 'http');
  if (!/^https?:\/\/[^/\s]\S*$/.test(url) || !URL.canParse(url)) {
    throw new InvalidArgumentError(
      "It must look like '127.0.0.1:7707', 'http://HOST:PORT' or 'ws://HOST:PORT'.",
    );
  }
  return url.replace(/\/$/, '');
}
