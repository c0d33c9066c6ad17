/**
 * The times and numbers of membership, in sets that fit together: `lan` for nodes of one site,
 * `wan` for sites far apart, `local` for tests on one machine.
 */

/** What all nodes of a cluster should have the same of. */
export interface Preset {
  /** A node probes another one this often, while it is well itself. */
  readonly probeIntervalMs: number;
  /**
   * An answer that takes longer is asked for through others, until the interval is over: so it must
   * be well below the interval, and above nearly all round trips.
   */
  readonly probeTimeoutMs: number;
  /** So many others probe in our stead when an answer does not come. */
  readonly indirectProbes: number;
  /**
   * Interval and timeout grow with how unwell this node is, up to so many times more (Lifeguard:
   * S, 8 there).
   */
  readonly healthScoreMax: number;
  /**
   * The least time a suspect has to deny it, in a cluster of up to 10; it grows with the logarithm
   * of the members.
   */
  readonly suspicionMinMs: number;
  /** A suspicion that nobody else confirms lasts so many times the least (Lifeguard: beta). */
  readonly suspicionMaxFactor: number;
  /** With so many confirmations of others it lasts the least time (Lifeguard: K). */
  readonly confirmations: number;
  /**
   * So long before a suspect is called dead it and some others are told so once more, in which they
   * can answer.
   */
  readonly lastCallMs: number;
  /** News is sent this often while there is any; also how often a stall of this process is seen. */
  readonly gossipIntervalMs: number;
  /** To so many members at a time. */
  readonly gossipFanout: number;
  /** Each node passes news on so many times, times the logarithm of the members (SWIM: lambda). */
  readonly retransmitFactor: number;
  /** Each node compares all it knows with a random other one this often. */
  readonly syncIntervalMs: number;
  /** Each node tries one dead member or one seed this often; so networks that were split heal. */
  readonly reconnectIntervalMs: number;
  /** The dead are told news for so long, in which they may find that they are thought dead. */
  readonly deadGossipMs: number;
  /**
   * The dead and those who left are remembered for so long: late news must not bring them back, and
   * a node cut off for less finds the others again without seeds.
   */
  readonly deadKeptMs: number;
  /**
   * This process did nothing for so long beyond its turn: it stalled, and what it did not hear in
   * that time says nothing about others.
   */
  readonly stallMs: number;
  /** `join` waits so long for a first answer. */
  readonly joinTimeoutMs: number;
  /** `leave` waits at most so long until enough were told. */
  readonly leaveTimeoutMs: number;
}

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** What has no reason to differ. */
const COMMON = {
  // The paper's number. One of three reaches the target where a link is broken, not the target.
  indirectProbes: 3,
  // The paper's number: at most 9 times slower.
  healthScoreMax: 8,
  // With the first accuser three nodes agree, all that a cluster of four has to ask.
  confirmations: 2,
  // Three each time reaches 5 nodes in 2 rounds, 100 in 5 or 6.
  gossipFanout: 3,
  // 4 transmissions of each of 5 nodes, 12 of each of 100: with a fifth of all messages lost,
  // a node misses news less often than once in a million.
  retransmitFactor: 4,
  // A night, and a day until somebody looks.
  deadKeptMs: 24 * HOUR_MS,
} as const;

/**
 * One site: round trips of some milliseconds, processes that now and then stall for some hundred.
 * Of 5 nodes a crashed one is known dead by all after 1.1 s, seldom 1.4 s: up to 0.4 s until a
 * probe was sent and has failed, then the suspicion.
 */
export const LAN: Preset = {
  ...COMMON,
  // 5 probes and answers a second and node: some hundred bytes.
  probeIntervalMs: 200,
  // Far above round trips of one site, so that helpers are asked when something is wrong only.
  probeTimeoutMs: 90,
  // A process that stalls for half a second (garbage, swap, a neighbour) wakes, hears of it and
  // denies it in time.
  suspicionMinMs: 700,
  // Alone with its opinion a node waits twice as long; more would make failures of pairs slow.
  suspicionMaxFactor: 2,
  // Many round trips, and the longest wait for a core.
  lastCallMs: 300,
  // Five nodes have it within 2 of these.
  gossipIntervalMs: 75,
  // A repair of what gossip missed, which is rare; with 100 members it is 20 KB a time.
  syncIntervalMs: 20 * SECOND_MS,
  // Split networks are seen healed within about this.
  reconnectIntervalMs: 1 * SECOND_MS,
  deadGossipMs: 30 * SECOND_MS,
  // Timers late by a probe's timeout: our answers and others' waited as long.
  stallMs: 100,
  joinTimeoutMs: 5 * SECOND_MS,
  leaveTimeoutMs: 2 * SECOND_MS,
};

/**
 * Sites far apart: round trips of up to some hundred milliseconds, links that fail for seconds. A
 * crashed node is known dead after about 10 s.
 */
export const WAN: Preset = {
  ...COMMON,
  // Five times the longest usual round trip, for the way through a helper.
  probeIntervalMs: 2 * SECOND_MS,
  probeTimeoutMs: 800,
  // A route that changes takes a few seconds.
  suspicionMinMs: 6 * SECOND_MS,
  suspicionMaxFactor: 2,
  lastCallMs: 2 * SECOND_MS,
  gossipIntervalMs: 300,
  syncIntervalMs: 60 * SECOND_MS,
  reconnectIntervalMs: 5 * SECOND_MS,
  deadGossipMs: 60 * SECOND_MS,
  stallMs: 500,
  joinTimeoutMs: 15 * SECOND_MS,
  leaveTimeoutMs: 5 * SECOND_MS,
};

/**
 * Nodes on one machine, as tests start them: quick, so that tests are, and not so quick that a busy
 * machine makes members suspect.
 */
export const LOCAL: Preset = {
  ...COMMON,
  probeIntervalMs: 100,
  probeTimeoutMs: 45,
  suspicionMinMs: 300,
  suspicionMaxFactor: 2,
  lastCallMs: 120,
  gossipIntervalMs: 30,
  syncIntervalMs: 5 * SECOND_MS,
  reconnectIntervalMs: 300,
  deadGossipMs: 5 * SECOND_MS,
  // Tests do not last longer.
  deadKeptMs: 5 * MINUTE_MS,
  stallMs: 60,
  joinTimeoutMs: 2 * SECOND_MS,
  leaveTimeoutMs: 1 * SECOND_MS,
};

export const PRESETS = { lan: LAN, wan: WAN, local: LOCAL } as const;
export type PresetName = keyof typeof PRESETS;

/** What grows with the logarithm of the members does not shrink below 10 of them. */
const LEAST_MEMBERS = 10;

/** The least and the longest time that a suspect of a cluster of so many members has. */
export function suspicionTimesOf(
  preset: Preset,
  members: number,
): { minMs: number; maxMs: number } {
  const minMs = preset.suspicionMinMs * Math.log10(Math.max(LEAST_MEMBERS, members));
  return { minMs, maxMs: minMs * preset.suspicionMaxFactor };
}

/** How many times each node passes a piece of news on. */
export function retransmitsOf(preset: Preset, members: number): number {
  return preset.retransmitFactor * Math.ceil(Math.log10(members + 1));
}
