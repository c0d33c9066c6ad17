/** `slabring/server`: a node inside your own process. The command line is server/main.ts. */
export type { HelloReply, NodeLimits } from './hello.js';
export { type NodeHooks, type SlabringNode, startNode } from './node.js';
export type { FrontEndChoice, NodeOptions } from './options.js';
