/** `slabring/server`: a node inside your own process. The command line is server/main.ts. */
export type { ClusterNodeOptions } from './cluster/config.js';
export type { HelloReply, NodeLimits } from './hello.js';
export type { MemberClient } from './member/member-client.js';
export { type ClusterMemberOptions, clusterMember, memberThread } from './member/provider.js';
export { type SlabringNode, startNode } from './node.js';
export type { NodeHooks } from './node-hooks.js';
export type { FrontEndChoice, NodeOptions } from './options.js';
