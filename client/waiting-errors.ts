/** What callers are told whose commands waited in vain: for a connection, or for a reply. */
import { SlabringError } from '../engine/errors.js';

export function tooManyBytesError(bytes: number): SlabringError {
  return new SlabringError('QUEUEFULL', `${bytes} bytes of commands wait to leave already`);
}

/** @param outage why there is no connection */
export function tooManyCommandsError(commands: number, outage: SlabringError): SlabringError {
  const text = `no connection, and ${commands} commands wait for one already${reason(outage)}`;
  return new SlabringError('QUEUEFULL', text, { cause: outage });
}

export function tooLongError(bytes: number, bytesMax: number): SlabringError {
  const text = `the message has ${bytes} bytes and the server takes at most ${bytesMax}`;
  return new SlabringError('TOOLARGE', text);
}

export function lostInFlightError(outage: SlabringError): SlabringError {
  return new SlabringError(
    'CONNECTION',
    `the connection was lost with the command in flight, it may have run: ${outage.message}`,
    { cause: outage },
  );
}

export function noReplyError(timeoutMs: number): SlabringError {
  return new SlabringError('TIMEOUT', `no reply within ${timeoutMs} ms; the command may have run`);
}

/** @param outage why there is no connection, as far as known */
export function noConnectionError(timeoutMs: number, outage?: SlabringError): SlabringError {
  return new SlabringError('TIMEOUT', `no connection within ${timeoutMs} ms${reason(outage)}`, {
    cause: outage,
  });
}

/** @param isSilent whether the server says nothing at all */
export function notSentError(timeoutMs: number, isSilent: boolean): SlabringError {
  const why = isSilent ? 'the server is silent' : 'too much is on its way';
  return new SlabringError('TIMEOUT', `not sent within ${timeoutMs} ms, ${why}`);
}

function reason(outage: SlabringError | undefined): string {
  return outage === undefined ? '' : ` (${outage.message})`;
}
