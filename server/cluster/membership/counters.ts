/** What membership counts, from the start of this node on. */
import { KINDS, type Kind } from './wire.js';

export interface Traffic {
  messages: number;
  bytes: number;
}

export type TrafficByKind = Record<Kind, Traffic>;

export interface MembershipCounters {
  readonly sent: TrafficByKind;
  readonly received: TrafficByKind;
  /** Messages without sense. */
  malformed: number;
  probes: number;
  /** Of those, what nobody answered in time. */
  probesFailed: number;
  /** Probes that only came through by way of others. */
  probesIndirect: number;
  suspicions: number;
  /** This node denied that it is suspect or dead. */
  refutes: number;
  /** This process stalled. */
  stalls: number;
  /** Split networks and lone nodes: tries to reach dead members and seeds. */
  reconnects: number;
}

function noTraffic(): TrafficByKind {
  const byKind: Partial<TrafficByKind> = {};
  for (const kind of KINDS) byKind[kind] = { messages: 0, bytes: 0 };
  return byKind as TrafficByKind;
}

export function zeroCounters(): MembershipCounters {
  return {
    ...{ sent: noTraffic(), received: noTraffic(), malformed: 0 },
    ...{ probes: 0, probesFailed: 0, probesIndirect: 0, suspicions: 0, refutes: 0 },
    ...{ stalls: 0, reconnects: 0 },
  };
}

export function count(traffic: Traffic, bytes: Uint8Array): void {
  traffic.messages++;
  traffic.bytes += bytes.length;
}
