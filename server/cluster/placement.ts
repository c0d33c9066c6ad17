/** The ring as the view takes it, built anew only where other members have places. */
import type { MemberInfo } from './members.js';
import { buildRing } from './ring.js';
import type { Placement } from './view.js';

/** Places for the slots of members; the last ones are kept. @param copies of each slot */
export function placer(copies: number): (members: readonly MemberInfo[]) => Placement {
  let known = '';
  let placement: Placement | undefined;
  return (members) => {
    const described = members
      .map(({ name, weight, zone }) => `${name} ${weight} ${zone ?? ''}`)
      .sort()
      .join('\n');
    if (!placement || described !== known) {
      placement = placementOf(members, copies);
      known = described;
    }
    return placement;
  };
}

function placementOf(members: readonly MemberInfo[], copies: number): Placement {
  const ring = buildRing(
    members.map(({ name, weight, zone }) => ({
      name,
      weight,
      ...(zone !== undefined && { zone }),
    })),
    { copies },
  );
  return { names: ring.members.map(({ name }) => name), copies, owners: ring.table };
}
