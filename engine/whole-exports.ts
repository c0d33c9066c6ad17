/** The kernel's exports for keys as a whole, as engine/kernel/whole.ts defines them. */

type Constant = { readonly value: number };

export interface WholeExports {
  readonly WHOLE_OLD: Constant;
  readonly WHOLE_NO_MEMORY: Constant;
  readonly WHOLE_LOST: Constant;

  readWhole(
    thread: number,
    keyWord: number,
    cursor: number,
    place: number,
    pageBytes: number,
    isHeld: number,
    nowMs: number,
  ): void;
  storeWhole(
    thread: number,
    keyWord: number,
    valueBytes: number,
    expiryMs: number,
    stampHigh: number,
    stampLow: number,
    nowMs: number,
  ): number;
  beginWhole(
    thread: number,
    keyWord: number,
    kind: number,
    half: number,
    untilMs: number,
    nowMs: number,
  ): number;
  pourWhole(
    thread: number,
    keyWord: number,
    half: number,
    from: number,
    to: number,
    untilMs: number,
    nowMs: number,
  ): number;
  dropWhole(thread: number, keyWord: number, half: number): void;
  settleWhole(
    thread: number,
    keyWord: number,
    half: number,
    expiryMs: number,
    stampHigh: number,
    stampLow: number,
    nowMs: number,
  ): number;
}
