/**
 * One thread's part in hammering a cache: random commands on few keys, in frames and by direct
 * calls, and a check of every reply. Runs in the main thread and in worker threads alike, hence
 * plain JavaScript.
 *
 * What must hold, whatever the other threads do:
 * - a value that is read is whole and of the key asked for;
 * - an owned key, which one thread writes with growing sequences, is never read older than what its
 *   writer knew to be stored when the read began, and never newer than what it had begun to store
 *   when the read ended;
 * - the writer of an owned key reads exactly what it stored last, within one frame too;
 * - counters grow by exactly what was added, and ballots by exactly one per SET that IFVERSION let
 *   through.
 * Where the cache may drop entries (`plan.mayVanish`), a key may be absent instead, and sums may
 * only be too small.
 */
import { Arena } from '#engine/arena.js';
import { FrameExecutor, isFault } from '#engine/frame.js';
import { Random } from '../support/fuzz-random.mjs';
import { endOf, errorAt, FrameWriter, integerAt } from './frames.mjs';
import { keysOfPlan } from './keys.mjs';
import { checkValue, MIN_VALUE_BYTES, writeValue } from './values.mjs';

const NIL = 0xc0;
const FALSE = 0xc2;
const TRUE = 0xc3;
const SET_NX = 1;
const SET_GET = 8;
const SET_IFVERSION = 16;
const FRAME_COMMANDS = [1, 32, 128];
/** Turns between two times that a thread gives its slot back, where threads come and go. */
const REATTACH_EVERY = 83;
/** Bytes of a command besides its value; keys have up to 3,000. */
const COMMAND_ROOM = 3200;
/** Half of all commands go to this many keys. */
const HOT_KEYS = 6;
const TTL_MS = 100_000;
/**
 * A frame runs at the time at which it began, so to a slow one an expiry set meanwhile is further
 * away.
 */
const TTL_MS_MAX = TTL_MS + 60_000;

export class Hammer {
  #arena;
  #executor;
  #plan;
  #self;
  #board;
  #random;
  #keys;
  #writer;
  #request;
  #reply;
  #sequence = 0;
  #turns = 0;
  /**
   * The checks of the frame at hand, one per command, each called with the reply's bytes, start and
   * end.
   */
  #checks = [];
  /** Of the owned keys that are this thread's: the sequence stored last. */
  #lastStored = [];
  /** The highest value of each counter that this thread saw. */
  #lastCount = [];
  #totals = { frames: 0, commands: 0, direct: 0, hits: 0, outOfMemory: 0, reattached: 0 };

  /**
   * @param self the number of this thread; from `plan.threads` on it is a visitor, which owns no
   *   keys
   */
  constructor(arena, plan, self, board) {
    this.#plan = plan;
    this.#self = self;
    this.#board = board;
    this.#random = new Random(plan.seed + self * 7919);
    this.#keys = keysOfPlan(plan);
    this.#attach(arena);
  }

  get totals() {
    return this.#totals;
  }

  #attach(arena) {
    this.#arena = arena;
    this.#executor = new FrameExecutor(arena, () => null);
    this.#request = Buffer.from(
      arena.request.buffer,
      arena.request.byteOffset,
      arena.request.length,
    );
    this.#reply = Buffer.from(arena.reply.buffer, arena.reply.byteOffset, arena.reply.length);
    this.#writer ??= new FrameWriter(arena.request.length);
  }

  /** Gives the thread slot back and takes one again, most likely another one. */
  #reattach() {
    const { handle } = this.#arena;
    this.#arena.close();
    this.#attach(Arena.attach(handle));
    this.#totals.reattached++;
  }

  close() {
    this.#arena.close();
  }

  checkIntegrity() {
    return this.#arena.checkIntegrity();
  }

  get arena() {
    return this.#arena;
  }

  /** One piece of work: a frame, a direct call, or a vote. */
  turn() {
    const random = this.#random;
    this.#turns++;
    if (this.#plan.clears && this.#turns % 3000 === 0) this.#arena.clear();
    if (this.#plan.reattaches && this.#turns % REATTACH_EVERY === 0) this.#reattach();
    const what = this.#plan.countsOnly ? 0 : random.below(10);
    if (what < 6) this.#frame(random.pick(FRAME_COMMANDS));
    else if (what < 9) this.#direct();
    else this.#vote(random.below(this.#plan.ballots));
  }

  #length() {
    return Math.max(MIN_VALUE_BYTES, this.#random.pick(this.#plan.sizes) + this.#random.below(24));
  }

  #pickIndex(keys) {
    const hot = this.#random.chance(0.5) ? Math.min(HOT_KEYS, keys.length) : keys.length;
    return this.#random.below(hot);
  }

  /** Any owned key, or one that this thread may write; -1 when it may write none. */
  #pickOwned(mine) {
    const { threads, ownedKeys } = this.#plan;
    if (!mine) return this.#random.below(ownedKeys);
    if (this.#self >= threads) return -1;
    const count = Math.floor((ownedKeys - 1 - this.#self) / threads) + 1;
    return count < 1 ? -1 : this.#self + threads * this.#random.below(count);
  }

  // -- frames

  #frame(commands) {
    this.#writer.begin();
    this.#checks = [];
    for (let i = 0; i < commands && this.#writer.room > COMMAND_ROOM; i++) this.#addCommand();
    this.#run();
  }

  #run() {
    const result = this.#executor.execute(this.#writer.finish(), undefined);
    if (isFault(result)) throw new Error(`the frame was refused: ${result.reason}`);
    const bytes = Buffer.from(result.buffer, result.byteOffset, result.byteLength);
    let at = endOf(bytes, 0);
    for (const check of this.#checks) {
      if (at >= bytes.length) throw new Error('a reply is missing');
      const end = endOf(bytes, at);
      const error = errorAt(bytes, at, end);
      if (error === undefined) check(bytes, at, end);
      else this.#allowError(error);
      at = end;
    }
    if (at !== bytes.length) throw new Error(`${bytes.length - at} bytes behind the last reply`);
    this.#totals.frames++;
    this.#totals.commands += this.#checks.length;
  }

  #allowError(text) {
    const isOut = text.startsWith('OOM ') && this.#plan.mayRunOut;
    if (!isOut) throw new Error(`refused: ${text}`);
    this.#totals.outOfMemory++;
  }

  #addCommand() {
    if (this.#plan.countsOnly) return this.#addIncrement();
    const what = this.#random.below(100);
    if (what < 30) this.#addGet();
    else if (what < 54) this.#addSet();
    else if (what < 62)
      this.#addOnShared(0x12, 0, integerBetween(0, 1)); // DEL
    else if (what < 66) this.#addExpire();
    else if (what < 68)
      this.#addOnShared(0x15, 0, integerBetween(-2, TTL_MS_MAX)); // TTL
    else if (what < 70)
      this.#addOnShared(0x16, 0, isBoolean); // PERSIST
    else if (what < 72)
      this.#addOnShared(0x17, 0, integerBetween(0, 1)); // TOUCH
    else if (what < 74)
      this.#addOnShared(0x13, 0, integerBetween(0, 1)); // EXISTS
    else if (what < 77) this.#addGetVersioned();
    else if (what < 85) this.#addIncrement();
    else if (what < 93) this.#addGetOwned(this.#pickOwned(false));
    else this.#addSetOwned();
  }

  #addOnShared(code, args, check) {
    const key = this.#keys.shared[this.#pickIndex(this.#keys.shared)];
    this.#writer.command(code, key.packed, args);
    this.#checks.push(check);
    return key;
  }

  #addGet() {
    const key = this.#addOnShared(0x10, 0, (bytes, at, end) =>
      this.#seeShared(bytes, at, end, key),
    );
  }

  #seeShared(bytes, at, end, key) {
    if (bytes[at] === NIL) return;
    checkValue(bytes, at, end, key.number);
    this.#totals.hits++;
  }

  #addSet() {
    const length = this.#length();
    if (this.#writer.room < length + COMMAND_ROOM) return this.#addGet();
    const ttlMs = this.#ttl();
    const flags = this.#random.chance(0.2) ? this.#random.pick([SET_NX, SET_GET]) : 0;
    const key = this.#addOnShared(0x11, flags || ttlMs ? 3 : 1, (bytes, at, end) => {
      if (flags === SET_GET) this.#seeShared(bytes, at, end, key);
      else isBoolean(bytes, at);
    });
    this.#addValue(key, ++this.#sequence, length);
    if (!(flags || ttlMs)) return;
    this.#writer.integer(ttlMs);
    this.#writer.integer(flags);
  }

  #addValue(key, sequence, length) {
    this.#writer.argument((target, at) =>
      writeValue(target, at, key.number, this.#self, sequence, length),
    );
  }

  /** Mostly none, sometimes one that runs out while we look. */
  #ttl() {
    if (!this.#plan.expires || this.#random.chance(0.6)) return 0;
    return this.#random.chance(0.5) ? this.#random.between(1, 20) : TTL_MS;
  }

  #addExpire() {
    this.#addOnShared(0x14, 1, isBoolean);
    this.#writer.integer(this.#ttl());
  }

  #addGetVersioned() {
    const key = this.#addOnShared(0x18, 0, (bytes, at) => {
      if (bytes[at] === NIL) return;
      const valueEnd = endOf(bytes, at + 1);
      checkValue(bytes, at + 1, valueEnd, key.number);
      integerAt(bytes, valueEnd);
    });
  }

  #addIncrement() {
    const counter = this.#random.below(this.#plan.counters);
    const delta = this.#random.between(1, 3);
    this.#writer.command(0x19, this.#keys.counters[counter].packed, 1);
    this.#writer.integer(delta);
    this.#checks.push((bytes, at) => {
      const count = integerAt(bytes, at);
      this.#board.add(counter, delta);
      if (this.#plan.sabotage === 'tally') this.#board.add(counter, 1);
      if (!this.#plan.mayVanish && count <= (this.#lastCount[counter] ?? 0)) {
        throw new Error(`counter ${counter} is ${count}, was ${this.#lastCount[counter]} before`);
      }
      this.#lastCount[counter] = count;
    });
  }

  // -- owned keys

  #addGetOwned(index) {
    const key = this.#keys.owned[index];
    const least = this.#board.stored(index);
    this.#writer.command(0x10, key.packed, 0);
    this.#checks.push((bytes, at, end) => this.#seeOwned(bytes, at, end, index, least));
  }

  /** @param least the sequence that was known to be stored before the read began */
  #seeOwned(bytes, at, end, index, least) {
    const isMine = index % this.#plan.threads === this.#self;
    if (isMine) least = this.#lastStored[index] ?? 0;
    if (at < 0 || bytes[at] === NIL) {
      if (least === 0 || this.#plan.mayVanish) return;
      throw new Error(`owned key ${index} is lost: sequence ${least} had been stored`);
    }
    const { sequence } = checkValue(bytes, at, end, this.#keys.owned[index].number);
    const most = isMine ? least : this.#board.begun(index);
    if (sequence < least || sequence > most) {
      throw new Error(`owned key ${index}: read sequence ${sequence}, not ${least} to ${most}`);
    }
    this.#totals.hits++;
  }

  #addSetOwned() {
    const index = this.#pickOwned(true);
    const length = this.#length();
    if (index < 0 || this.#writer.room < length + 2 * COMMAND_ROOM) return;
    const sequence = this.#beginOwned(index);
    this.#writer.command(0x11, this.#keys.owned[index].packed, 1);
    this.#addValue(this.#keys.owned[index], sequence, length);
    this.#checks.push((bytes, at) => {
      if (bytes[at] !== TRUE) throw new Error('SET without conditions did not answer true');
      this.#storedOwned(index, sequence);
    });
    if (this.#random.chance(0.5)) this.#addGetOwned(index);
  }

  #beginOwned(index) {
    const sequence = this.#board.begun(index) + 1;
    this.#board.begin(index, sequence);
    // The canary of the staleness check: a writer that says "stored" too early.
    if (this.#plan.sabotage === 'early') this.#board.store(index, sequence);
    return sequence;
  }

  #storedOwned(index, sequence) {
    this.#lastStored[index] = sequence;
    this.#board.store(index, sequence);
  }

  // -- direct calls

  #direct() {
    const { kernel, slot } = this.#arena;
    this.#totals.direct++;
    const what = this.#random.below(10);
    if (what < 3) {
      const index = this.#pickOwned(false);
      const least = this.#board.stored(index);
      const length = this.#getDirect(this.#keys.owned[index]);
      this.#seeOwned(this.#reply, length < 0 ? -1 : 0, length, index, least);
    } else if (what < 6) {
      const key = this.#keys.shared[this.#pickIndex(this.#keys.shared)];
      const length = this.#getDirect(key);
      if (length >= 0) this.#seeShared(this.#reply, 0, length, key);
    } else if (what < 8) {
      const key = this.#keys.shared[this.#pickIndex(this.#keys.shared)];
      this.#setDirect(key, ++this.#sequence, this.#ttl());
    } else if (what < 9) {
      const index = this.#pickOwned(true);
      if (index < 0) return;
      const sequence = this.#beginOwned(index);
      if (this.#setDirect(this.#keys.owned[index], sequence, 0)) this.#storedOwned(index, sequence);
    } else {
      const key = this.#keys.shared[this.#pickIndex(this.#keys.shared)];
      this.#request.set(key.bytes);
      const call = this.#random.chance(0.5) ? kernel.deleteDirect : kernel.hasDirect;
      call(slot, key.bytes.length, Date.now());
    }
  }

  #getDirect(key) {
    this.#request.set(key.bytes);
    return this.#arena.kernel.getDirect(this.#arena.slot, key.bytes.length, Date.now());
  }

  /** Whether it was stored; only memory may be in the way. */
  #setDirect(key, sequence, ttlMs) {
    const keyBytes = key.bytes.length;
    this.#request.set(key.bytes);
    const end = writeValue(
      this.#request,
      keyBytes,
      key.number,
      this.#self,
      sequence,
      this.#length(),
    );
    const { kernel, slot } = this.#arena;
    const status = kernel.setDirect(slot, keyBytes, end - keyBytes, ttlMs, 0, 0, Date.now());
    if (status === 1) return true;
    if (status >= 0) throw new Error(`setDirect returned ${status}`);
    this.#allowError(`${this.#arena.errorOf(status).code} of setDirect`);
    return false;
  }

  // -- ballots

  /** Reads a ballot with its version and replaces it if that is still its version. */
  #vote(ballot) {
    const key = this.#keys.ballots[ballot];
    let version;
    let count = 0;
    this.#ask(
      (writer) => writer.command(0x18, key.packed, 0),
      (bytes, at) => {
        if (bytes[at] === NIL) return;
        const valueEnd = endOf(bytes, at + 1);
        count = checkValue(bytes, at + 1, valueEnd, key.number).sequence;
        version = Buffer.from(bytes.subarray(valueEnd, endOf(bytes, valueEnd)));
      },
    );
    const write = (writer) => {
      writer.command(0x11, key.packed, version ? 4 : 3);
      this.#addValue(key, count + 1, this.#length());
      writer.nil();
      writer.integer(version ? SET_IFVERSION : SET_NX);
      if (version) writer.raw(version);
    };
    this.#ask(write, (bytes, at) => {
      isBoolean(bytes, at);
      if (bytes[at] === TRUE) this.#board.vote(ballot);
    });
  }

  #ask(write, check) {
    this.#writer.begin();
    write(this.#writer);
    this.#checks = [check];
    this.#run();
  }

  // -- at the end, when all other threads have stopped

  /** What counters and ballots must hold now. The first one that is wrong as text, or undefined. */
  checkSums() {
    const { mayVanish } = this.#plan;
    const isWrong = (sum, wanted) => (mayVanish ? sum > wanted : sum !== wanted);
    for (const [counter, key] of this.#keys.counters.entries()) {
      const length = this.#getDirect(key);
      const sum = length < 0 ? 0 : integerAt(this.#reply, 0);
      const wanted = this.#board.added(counter);
      if (isWrong(sum, wanted)) return `counter ${counter} is ${sum}; ${wanted} was added`;
    }
    for (const [ballot, key] of this.#keys.ballots.entries()) {
      const length = this.#getDirect(key);
      const count = length < 0 ? 0 : checkValue(this.#reply, 0, length, key.number).sequence;
      const wanted = this.#board.votes(ballot);
      if (isWrong(count, wanted))
        return `ballot ${ballot} is ${count}; ${wanted} votes were let in`;
    }
    return undefined;
  }
}

function isBoolean(bytes, at) {
  if (bytes[at] !== TRUE && bytes[at] !== FALSE) throw new Error(`no boolean: ${bytes[at]}`);
}

function integerBetween(least, most) {
  return (bytes, at) => {
    const value = integerAt(bytes, at);
    if (value < least || value > most) throw new Error(`${value} is not from ${least} to ${most}`);
  };
}
