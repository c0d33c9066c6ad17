/**
 * What a node answers on its port besides frames: `/healthz` for load balancers and process
 * managers, `/stats` for people and monitoring, and whether an upgrade to WebSocket is taken. Both
 * front ends ask here.
 */
import { timingSafeEqual } from 'node:crypto';
import { PROTOCOL_VERSION, SUBPROTOCOL } from '../engine/commands.js';
import type { SlabringError } from '../engine/errors.js';
import { readCounters, sumCounters } from './counters.js';
import { nodeLimits } from './hello.js';
import { digestToken } from './options.js';
import type { ServingThread } from './serving-thread.js';

/** The parts of a request that an answer depends on; header values are '' when absent. */
export interface HttpRequest {
  /** Upper case. */
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly authorization: string;
}

export interface HttpAnswer {
  readonly status: number;
  /** The status with its phrase, as the status line has it. */
  readonly statusLine: string;
  readonly contentType: string;
  readonly body: string;
}

export interface UpgradeRequest {
  readonly path: string;
  /** The `Origin` header, which browsers send and programs do not. */
  readonly origin: string;
  /** The `Sec-WebSocket-Protocol` header: names with commas between. */
  readonly subprotocols: string;
}

/**
 * `refusal`: why an upgrade is not taken. Else `subprotocol` is the one to confirm, '' for none.
 */
export type UpgradeAnswer =
  | { readonly subprotocol: string; readonly refusal?: undefined }
  | { readonly refusal: HttpAnswer };

const PHRASES = {
  200: 'OK',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  426: 'Upgrade Required',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
} as const;
type Status = keyof typeof PHRASES;

const TEXT = 'text/plain; charset=utf-8';
const JSON_TYPE = 'application/json; charset=utf-8';
const WHERE =
  'this is a Slabring node: WebSocket (slabring.1) on /, GET /healthz, GET /stats, GET /cluster';

function answer(status: Status, contentType: string, body: string): HttpAnswer {
  return { status, statusLine: `${status} ${PHRASES[status]}`, contentType, body };
}

function fail(status: Status, error: string): HttpAnswer {
  return answer(status, JSON_TYPE, `${JSON.stringify({ error })}\n`);
}

/** Answers a plain HTTP request; what the cluster thread is asked for comes later. */
export function answerHttp(
  request: HttpRequest,
  thread: ServingThread,
): HttpAnswer | Promise<HttpAnswer> {
  const { method, path } = request;
  if (path === CLUSTER || path.startsWith(`${CLUSTER}/`)) return answerCluster(request, thread);
  const isKnown = path === '/healthz' || path === '/stats';
  if (path === '/') return fail(426, WHERE);
  if (!isKnown) return fail(404, `nothing is at ${path.slice(0, 100)}; ${WHERE}`);
  if (method !== 'GET' && method !== 'HEAD') return fail(405, `${path} takes GET and HEAD`);
  if (path === '/healthz') {
    return thread.draining ? answer(503, TEXT, 'draining\n') : answer(200, TEXT, 'ok\n');
  }
  if (!mayReadStats(request.authorization, thread)) {
    return fail(401, 'this node asks for its token: Authorization: Bearer TOKEN');
  }
  return answer(200, JSON_TYPE, `${JSON.stringify(nodeStats(thread), null, 2)}\n`);
}

const CLUSTER = '/cluster';
/** Of errors that are not the node's fault. */
const STATUS_OF: Readonly<Partial<Record<SlabringError['code'], Status>>> = {
  OPTION: 400,
  UNKNOWN: 404,
  UNAVAILABLE: 503,
};

/** GET /cluster: its state; POST /cluster/ACTION: has something done. */
async function answerCluster(request: HttpRequest, thread: ServingThread): Promise<HttpAnswer> {
  const { method, path } = request;
  const action = path === CLUSTER ? 'status' : path.slice(CLUSTER.length + 1);
  const wanted = path === CLUSTER ? 'GET' : 'POST';
  if (method !== wanted) return fail(405, `${path.slice(0, 100)} takes ${wanted}`);
  if (!mayReadStats(request.authorization, thread)) {
    return fail(401, 'this node asks for its token: Authorization: Bearer TOKEN');
  }
  const administer = thread.cluster?.desk.administer;
  if (!administer) return fail(404, 'this node is in no cluster: start it with --cluster NAME');
  try {
    const result = await administer(action);
    return answer(200, JSON_TYPE, `${JSON.stringify(result, null, 2)}\n`);
  } catch (error) {
    const { code, message } = error as SlabringError;
    return fail(STATUS_OF[code] ?? 500, message);
  }
}

function mayReadStats(authorization: string, thread: ServingThread): boolean {
  const { tokenDigest } = thread.config;
  if (tokenDigest === undefined) return true;
  const token = /^Bearer (.+)$/i.exec(authorization)?.[1];
  return token !== undefined && timingSafeEqual(digestToken(token), tokenDigest);
}

/** What `/stats` shows; docs/OPERATIONS.md explains each field. */
function nodeStats(thread: ServingThread): Record<string, unknown> {
  const { facts, arenas, config } = thread;
  const rows = readCounters(thread.allCounters);
  return {
    server: 'slabring',
    software: facts.software,
    version: PROTOCOL_VERSION,
    nodeId: facts.nodeId,
    role: 'primary',
    pid: process.pid,
    node: process.version,
    frontEnd: facts.frontEnd,
    uptimeSeconds: (Date.now() - facts.startedAtMs) / 1000,
    draining: thread.draining,
    threads: config.threads,
    limits: nodeLimits(thread),
    arena: { ...arenas.facts, ...arenas.stats() },
    traffic: sumCounters(rows),
    trafficPerThread: rows,
  };
}

/**
 * Decides about an upgrade to WebSocket. A browser lets any page open a WebSocket to any address,
 * localhost included, and only says which page it was: without a token, pages are let in only from
 * origins that the user named.
 */
export function answerUpgrade(request: UpgradeRequest, thread: ServingThread): UpgradeAnswer {
  const { path, origin, subprotocols } = request;
  const { tokenDigest, allowOrigins } = thread.config;
  if (path !== '/') {
    return { refusal: fail(404, `no WebSocket is at ${path.slice(0, 100)}; ${WHERE}`) };
  }
  const isAllowed = allowOrigins.includes('*') || allowOrigins.includes(origin);
  if (origin !== '' && tokenDigest === undefined && !isAllowed) {
    const error = `pages of ${origin.slice(0, 100)} may not use this node`;
    return { refusal: fail(403, `${error}; start it with a token or --allow-origin`) };
  }
  if (subprotocols === '') return { subprotocol: '' };
  const offered = subprotocols.split(',').map((name) => name.trim());
  if (offered.includes(SUBPROTOCOL)) return { subprotocol: SUBPROTOCOL };
  return { refusal: fail(400, `this node speaks ${SUBPROTOCOL} only`) };
}
