export class FrameWriter {
  constructor(bytes: number);
  begin(): void;
  readonly room: number;
  command(code: number, key: Buffer, args: number): void;
  argument(write: (target: Buffer, at: number) => number): void;
  integer(value: number): void;
  raw(bytes: Buffer): void;
  nil(): void;
  finish(): Buffer;
}
export function packKey(key: Buffer): Buffer;
export function endOf(bytes: Buffer, at: number): number;
export function integerAt(bytes: Buffer, at: number): number;
export function errorAt(bytes: Buffer, start: number, end: number): string | undefined;
