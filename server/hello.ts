/** HELLO: what a client says of itself, what the node says of itself, and the token. */
import { timingSafeEqual } from 'node:crypto';
import { ArenaCommands } from '../engine/arena-commands.js';
import type { ClusterView } from '../engine/cluster-view.js';
import { type CommandName, MAX_KEY_BYTES, PROTOCOL_VERSION } from '../engine/commands.js';
import { SlabringError } from '../engine/errors.js';
import type { HostCommands } from '../engine/frame.js';
import { Access } from '../engine/slot-table.js';
import { show } from '../engine/units.js';
import { viewFor } from './cluster/routing/view-pushes.js';
import { waitAlone } from './cluster/routing/wait.js';
import { Counter } from './counters.js';
import { HELLO_DEADLINE_MS } from './limits.js';
import { digestToken } from './options.js';
import type { ServingThread } from './serving-thread.js';
import type { Session } from './session.js';

/** The reply to HELLO. */
export interface HelloReply {
  /** Of the protocol. */
  version: number;
  server: 'slabring';
  /** Version of the software. */
  software: string;
  nodeId: string;
  role: 'primary';
  limits: NodeLimits;
  /** nil: this node is in no cluster. */
  cluster: ClusterView | null;
}

/** What a client must keep to. */
export interface NodeLimits {
  maxKeyBytes: number;
  maxValueBytes: number;
  maxMessageBytes: number;
  maxBacklogBytes: number;
}

/** Why a connection was closed on which HELLO did not come. */
export const NO_TOKEN_TEXT = `no HELLO with the token within ${HELLO_DEADLINE_MS / 1000} seconds`;

/** Why a command was refused before HELLO. */
export const NOAUTH_TEXT = 'this node asks for a token: send HELLO {token} first';

/** The commands that the host answers instead of the kernel. */
export function hostCommands(thread: ServingThread): HostCommands<Session> {
  const commands = new ArenaCommands(thread.arenas);
  return (name: CommandName, args: unknown[], session: Session) => {
    if (name === 'HELLO') return hello(thread, args[0], session);
    // In a cluster, WAITs are answered by whoever completes frames: none comes here.
    return name === 'WAIT' ? waitAlone(args) : commands.answer(name, args);
  };
}

export function nodeLimits(thread: ServingThread): NodeLimits {
  return {
    maxKeyBytes: MAX_KEY_BYTES,
    maxValueBytes: thread.arenas.facts.maxValueBytes,
    maxMessageBytes: thread.config.maxMessageBytes,
    maxBacklogBytes: thread.config.maxBacklogBytes,
  };
}

function hello(thread: ServingThread, options: unknown, session: Session): HelloReply {
  const { version, token, routes, replicas } = readOptions(options);
  if (version !== undefined && version !== PROTOCOL_VERSION) {
    const message = `this node speaks protocol version ${PROTOCOL_VERSION}, not ${show(version)}`;
    throw new SlabringError('SYNTAX', message);
  }
  const { tokenDigest } = thread.config;
  if (tokenDigest !== undefined) admit(thread, tokenDigest, token, session);
  if (routes !== undefined) session.routes = routes;
  if (replicas !== undefined) session.access = replicas ? Access.REPLICA : Access.OWNER;
  const view = thread.cluster?.desk.view;
  return {
    version: PROTOCOL_VERSION,
    server: 'slabring',
    software: thread.facts.software,
    nodeId: thread.facts.nodeId,
    role: 'primary',
    limits: nodeLimits(thread),
    cluster: view ? viewFor(view, session.routes) : null,
  };
}

/** Lets the session in when the token is right; a session that is in may greet again without it. */
function admit(thread: ServingThread, digest: Uint8Array, token: unknown, session: Session): void {
  if (token === undefined) {
    if (session.authenticated) return;
    throw new SlabringError('NOAUTH', NOAUTH_TEXT);
  }
  if (typeof token !== 'string' || !timingSafeEqual(digestToken(token), digest)) {
    thread.counters[Counter.denials]!++;
    throw new SlabringError('DENIED', 'wrong token');
  }
  session.authenticated = true;
}

interface HelloOptions {
  readonly version: unknown;
  readonly token: unknown;
  readonly routes: boolean | undefined;
  readonly replicas: boolean | undefined;
}

/**
 * Names that a later version of the protocol adds are passed over, so that newer clients can greet
 * older nodes.
 */
function readOptions(options: unknown): HelloOptions {
  const given = options instanceof Map ? Object.fromEntries(options) : (options ?? {});
  if (typeof given !== 'object' || Array.isArray(given) || ArrayBuffer.isView(given)) {
    const names = 'version?, token?, user?, client?, routes?, replicas?';
    throw new SlabringError('SYNTAX', `HELLO takes a map {${names}}`);
  }
  const { version, token, routes, replicas } = given as Record<string, unknown>;
  return {
    version: version ?? undefined,
    token: token ?? undefined,
    routes: readFlag('routes', routes),
    replicas: readFlag('replicas', replicas),
  };
}

function readFlag(name: string, value: unknown): boolean | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'boolean') return value;
  throw new SlabringError('SYNTAX', `${name} is true or false, not ${show(value)}`);
}
