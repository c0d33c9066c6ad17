/**
 * Errors: one class for callers, one append-only list of wire codes, one table from the kernel's
 * small integers to text. Hot paths pass integers; exceptions are made only at the edge of the API.
 */

/** Wire error codes (docs/PROTOCOL.md, "Errors"). Append only. */
export const ERROR_CODES = [
  'SYNTAX',
  'UNKNOWN',
  'WRONGTYPE',
  'OVERFLOW',
  'TOOLARGE',
  'OOM',
  'NOAUTH',
  'DENIED',
  'BUSY',
  'MOVED',
  'CROSSSLOT',
  'UNAVAILABLE',
  'INTERNAL',
  'TRYAGAIN',
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/**
 * An error reply of the cache, or a refused option. `code` is one of {@link ERROR_CODES}, or
 * `CLOSED`, or one of the client's own (`TIMEOUT`, `CONNECTION`, `QUEUEFULL`), or `OPTION` for a
 * wrong option or argument of the library.
 */
export class SlabringError extends Error {
  override readonly name = 'SlabringError';
  readonly code: ErrorCode | ClientErrorCode | 'OPTION';

  constructor(
    code: ErrorCode | ClientErrorCode | 'OPTION',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.code = code;
  }
}

/**
 * What only a client can meet: a deadline passed, `close()` was called, the connection was lost
 * with the command in flight (it may have run), the queue of commands waiting for a connection was
 * full.
 */
export type ClientErrorCode = 'TIMEOUT' | 'CLOSED' | 'CONNECTION' | 'QUEUEFULL';

/** Reads the payload of an error reply, `CODE message`. */
export function errorFromWire(payload: string): SlabringError {
  const space = payload.indexOf(' ');
  const code = space < 0 ? payload : payload.slice(0, space);
  const known = (ERROR_CODES as readonly string[]).includes(code);
  return known
    ? new SlabringError(code as ErrorCode, payload.slice(space + 1))
    : new SlabringError('INTERNAL', payload);
}
