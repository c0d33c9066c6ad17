/**
 * Errors on their way from a thread of a job to the one that asked for it. Structured cloning keeps
 * neither the class of an error nor its code, so they travel as plain objects.
 */
import { SlabringError } from '../errors.js';

export interface Fault {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly isOurs: boolean;
  readonly code: string | undefined;
  readonly cause: Fault | undefined;
  /** Where in its input a job met it. */
  readonly place: Place | undefined;
}

/** A place in a file. */
export interface Place {
  /** From 0: the first byte of the line or record. */
  readonly byte: number;
  /** From 1, in the slice; undefined where there are no lines. */
  readonly line: number | undefined;
  /** Entries of the slice that have been stored. */
  readonly entries: number;
}

/** An error at a place of a job's input. */
export class PlacedError extends Error {
  readonly place: Place;

  /** @param cause what is wrong there */
  constructor(cause: unknown, place: Place) {
    super('an error in the input of a job', { cause });
    this.place = place;
  }
}

export function packFault(error: unknown): Fault {
  if (error instanceof PlacedError) return { ...packFault(error.cause), place: error.place };
  if (!(error instanceof Error)) return packFault(new Error(String(error)));
  const { name, message, stack, cause } = error;
  const { code } = error as { code?: unknown };
  return {
    name,
    message,
    stack,
    isOurs: error instanceof SlabringError,
    code: typeof code === 'string' ? code : undefined,
    cause: cause === undefined ? undefined : packFault(cause),
    place: undefined,
  };
}

/** The error that a job rejects with: as it was thrown, and of what nobody foresaw `INTERNAL`. */
export function errorOfFault(fault: Fault): SlabringError {
  const error = unpackFault(fault);
  if (error instanceof SlabringError) return error;
  return new SlabringError('INTERNAL', `a job failed: ${error.message}`, { cause: error });
}

/** The error as it was thrown in the other thread, with the stack that it had there. */
export function unpackFault(fault: Fault): Error {
  const { message, code } = fault;
  const options = fault.cause === undefined ? {} : { cause: unpackFault(fault.cause) };
  const error = fault.isOurs
    ? new SlabringError(code as SlabringError['code'], message, options)
    : new Error(message, options);
  if (!fault.isOurs)
    Object.assign(error, { name: fault.name, ...(code !== undefined && { code }) });
  if (fault.stack !== undefined) error.stack = fault.stack;
  return error;
}
