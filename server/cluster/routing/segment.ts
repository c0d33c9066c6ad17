/**
 * Sorts commands to the nodes that run them. A segment is as many commands as may run side by side:
 * all up to the WAITs that come next, and these; what is behind a WAIT runs when it has ended.
 *
 *   SET a, GET b, SET c, WAIT a, WAIT c | GET a, ...        segments
 *   lane of node 1:  SET a, SET c, WAIT a, WAIT c           frames
 *   lane of node 2:  GET b
 *   steps:           Run(1, 1), Run(2, 1), Run(1, 3)        from the replies to the reply
 */
import type { Buffer } from 'node:buffer';
import { CommandWalk } from '../../../engine/command-walk.js';
import { COMMANDS, type CommandRow } from '../../../engine/commands.js';
import { encodeError } from '../../../engine/error-reply.js';
import { type ReadCommand, readCommand } from '../../../engine/large-command.js';
import { SLOTS, slotOf } from '../../../engine/slots.js';
import { hasOneKey, type Key, keysOf } from './keys.js';
import { Lane } from './lane.js';
import { HERE, NOWHERE, type Placement, placesOf } from './placement.js';
import { CROSS_NODE, nowhere, TOO_MANY_WAITS } from './refusals.js';
import { Gathering, Own, Run, type Step, Sum } from './steps.js';
import { readWaitAt, type Wait } from './wait.js';

/** One for each slot is enough; more would only fill the memory of the thread that keeps them. */
const WAITS_MAX = SLOTS;
/** Rows wait one after the other, each until its deadline. */
const WAIT_ROWS_MAX = 64;

/** Of the command at hand: what it has walked over does not outlast a call. */
const sharedWalk = new CommandWalk();

/** A WAIT that is to be answered on this node. */
export interface OwnWait extends Wait {
  readonly key: Buffer;
  readonly step: Own;
}

export interface Segment {
  /** By node. */
  readonly lanes: ReadonlyMap<number, Lane>;
  readonly waits: readonly OwnWait[];
  readonly steps: readonly Step[];
}

export interface SortingRules {
  readonly placement: Placement;
  /** Longer commands than one byte less are not sorted, but for SET: they are refused anywhere. */
  readonly areaBytes: number;
  /**
   * How a command is answered that is another node's; undefined, and where it
   * returns that: that node runs it.
   */
  readonly answerMoved: ((slot: number, node: number) => Buffer | undefined) | undefined;
}

export class Segments {
  readonly #bytes: Buffer;
  readonly #rules: SortingRules;
  readonly #walk = sharedWalk;
  #at = 0;
  #waitsLeft = WAITS_MAX;
  #rowsLeft = WAIT_ROWS_MAX;
  // The segment at hand.
  #lanes = new Map<number, Lane>();
  #waits: OwnWait[] = [];
  #steps: Step[] = [];
  /** The last step, while it is a run: its commands from here on are not in its lane yet. */
  #run: Run | undefined;
  #runStart = 0;

  /** @param bytes whole commands */
  constructor(bytes: Buffer, rules: SortingRules) {
    this.#bytes = bytes;
    this.#rules = rules;
  }

  get isDone(): boolean {
    return this.#at === this.#bytes.length;
  }

  next(): Segment {
    this.#lanes = new Map();
    this.#waits = [];
    this.#steps = [];
    let isWaiting = false;
    while (!this.isDone) {
      const end = this.#walk.walk(this.#bytes, this.#at);
      const command = readCommand(this.#bytes, this.#walk);
      const isWait = typeof command !== 'string' && command.name === 'WAIT';
      if (isWaiting && !isWait) break;
      if (isWait && !isWaiting) this.#rowsLeft--;
      isWaiting = isWait;
      if (isWait) this.#sortWait(command);
      else this.#sort(command, end);
      this.#at = end;
    }
    this.#endRun();
    return { lanes: this.#lanes, waits: this.#waits, steps: this.#steps };
  }

  /** Answers all commands left with the same reply. */
  refuse(reply: Buffer): Segment {
    this.#steps = [];
    while (!this.isDone) {
      this.#at = this.#walk.walk(this.#bytes, this.#at);
      this.#steps.push(new Own(reply));
    }
    return { lanes: new Map(), waits: [], steps: this.#steps };
  }

  #sort(command: ReadCommand | string, end: number): void {
    const { placement, areaBytes } = this.#rules;
    if (typeof command === 'string') {
      this.#addTo(HERE);
    } else if (command.name !== 'SET' && end - this.#at >= areaBytes) {
      this.#addTo(HERE);
    } else if (hasOneKey(command)) {
      const slot = slotOf(command.key);
      const isHere = !COMMANDS[command.name].write && placement.isReadHere(slot);
      this.#send(isHere ? HERE : placement.nodeOf(slot), slot);
    } else {
      this.#sortAny(command);
    }
  }

  /** Sorts a command by its keys, if it has any. */
  #sortAny(command: ReadCommand): void {
    const row: CommandRow = COMMANDS[command.name];
    const keys = keysOf(this.#bytes, this.#walk, command);
    const slots = keys.map(({ slot }) => slot);
    const nodes = placesOf(slots, row.write, this.#rules.placement);
    const lost = nodes.indexOf(NOWHERE);
    if (nodes.length === 0) {
      this.#addTo(HERE);
    } else if (lost >= 0 || nodes.every((node) => node === nodes[0])) {
      const one = Math.max(lost, 0);
      this.#send(nodes[one]!, slots[one]!);
    } else if (row.manyKeys !== 'apart' && command.name !== 'MGET') {
      this.#answer(CROSS_NODE);
    } else if (keys.length < command.argCount) {
      // One of them is no key, so that nothing is done but to say so.
      this.#addTo(HERE);
    } else {
      this.#split(keys, nodes, row);
    }
  }

  #split(keys: readonly Key[], nodes: readonly number[], row: CommandRow): void {
    this.#endRun();
    const used = [...new Set(nodes)];
    const lanes = used.map((node) => this.#laneOf(node));
    const order = nodes.map((node) => used.indexOf(node));
    for (const [index, lane] of lanes.entries()) {
      const share = keys.filter((_, i) => order[i] === index);
      lane.addOnKeys(row.code, this.#bytes, share);
    }
    this.#steps.push(row.manyKeys === 'apart' ? new Sum(lanes) : new Gathering(lanes, order));
  }

  #sortWait(command: ReadCommand): void {
    if (this.#waitsLeft === 0 || this.#rowsLeft < 0) {
      this.#answer(TOO_MANY_WAITS);
      return;
    }
    this.#waitsLeft--;
    let wait: Wait;
    try {
      wait = readWaitAt(this.#bytes, this.#walk);
    } catch (error) {
      this.#answer(encodeError(error));
      return;
    }
    const slot = slotOf(command.key);
    const node = this.#rules.placement.nodeOf(slot);
    if (node !== HERE) {
      this.#send(node, slot);
      const lane = this.#lanes.get(node);
      if (lane) lane.waitMs = Math.max(lane.waitMs, wait.deadlineMs);
      return;
    }
    const step = this.#answer();
    this.#waits.push({ ...wait, key: command.key, step });
  }

  /** Has the node run the command at hand, or answers it where no other node shall. */
  #send(node: number, slot: number): void {
    if (node === NOWHERE) {
      this.#answer(nowhere(slot));
      return;
    }
    const moved = node === HERE ? undefined : this.#rules.answerMoved?.(slot, node);
    if (moved === undefined) this.#addTo(node);
    else this.#answer(moved);
  }

  #answer(reply?: Buffer): Own {
    this.#endRun();
    const step = new Own(reply);
    this.#steps.push(step);
    return step;
  }

  /** Adds the command at hand to a lane. */
  #addTo(node: number): void {
    if (this.#run?.lane.node === node) {
      this.#run.count++;
      return;
    }
    this.#endRun();
    this.#run = new Run(this.#laneOf(node));
    this.#runStart = this.#at;
    this.#steps.push(this.#run);
  }

  /** What comes next is not the run's: its commands go into their lane in one piece. */
  #endRun(): void {
    this.#run?.lane.add(this.#bytes, this.#runStart, this.#at);
    this.#run = undefined;
  }

  #laneOf(node: number): Lane {
    let lane = this.#lanes.get(node);
    if (lane === undefined) {
      lane = new Lane(node);
      this.#lanes.set(node, lane);
    }
    return lane;
  }
}
