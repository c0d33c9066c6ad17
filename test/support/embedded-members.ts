/** Embedded caches that are members of one cluster, in this thread. */
import { type MemberCache, openCache } from 'slabring';
import { type ClusterMemberOptions, clusterMember, type MemberClient } from 'slabring/server';

export type EmbeddedMember = MemberCache<MemberClient>;

/** Gossip as between machines: the tests' machine may be busy for seconds. */
export const SHARED = { name: 'test', timeout: '20s', leaveTimeout: '20s' } as const;

/** Opens them one after the other; resolves when all take part. */
export async function openMembers(
  count: number,
  options: Partial<ClusterMemberOptions> = {},
): Promise<EmbeddedMember[]> {
  const members: EmbeddedMember[] = [];
  for (let i = 0; i < count; i++) {
    const join = options.join ?? members[0]?.cluster.address;
    const cluster = clusterMember({ ...SHARED, nodeName: `member-${i}`, ...options, join });
    const member = openCache({ memory: '64mb', cluster });
    members.push(member);
    await member.cluster.ready();
  }
  await everyoneKnows(members, members[0]!.cluster.view.nodes.length);
  return members;
}

/** Resolves when all see so many nodes, and copies of every slot that are whole. */
export async function everyoneKnows(members: EmbeddedMember[], nodes: number): Promise<void> {
  await eventually(() => members.every(({ cluster: { view } }) => isWhole(view, nodes)));
}

function isWhole(view: MemberClient['view'], nodes: number): boolean {
  const { slots, copies } = view;
  if (view.nodes.length < nodes || slots === undefined) return false;
  const wanted = Math.min(copies, view.nodes.length);
  for (let at = 0; at < slots.length; at += 2 * copies) {
    for (let i = at; i < at + 2 * wanted; i += 2) {
      if (slots[i] === 0xff && slots[i + 1] === 0xff) return false;
    }
  }
  return true;
}

const LOOK_EVERY_MS = 20;

/** Resolves when it is so; what other threads do has no event here. */
export async function eventually(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) {
    // Sleeps: members tell nobody of what they know.
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

/** A key for which it is so, another one for each name. */
export function keyWhere(name: string, isWanted: (key: string) => boolean): string {
  for (let i = 0; ; i++) if (isWanted(`${name}:${i}`)) return `${name}:${i}`;
}

export async function closeMembers(members: readonly EmbeddedMember[]): Promise<void> {
  for (const member of members) await member.cluster.close();
}
