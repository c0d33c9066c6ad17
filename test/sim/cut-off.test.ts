/** A node that was cut off alone comes back: what the others have is not old for that. */
import { expect, it } from 'vitest';
import { SimCluster, type SimNode } from './cluster-world.js';
import { seedsOf } from './seeds.js';

const USUAL = 5;
const STEP_MS = 10;
const AFTER_MS = 15_000;
/** It takes itself for the one that is unwell, and so calls the others dead late. */
const ALONE_MS = 25_000;

/** Slots that a node owns and does not have as they are now. */
function oldSlots({ id, member: { cluster } }: SimNode): number {
  const slots = cluster.view.slotsOf(cluster.view.indexOf(id)).copy();
  slots.deleteAll(cluster.levels.full);
  return slots.size;
}

it('what it has itself is old until it was told', async () => {
  for (const seed of seedsOf(USUAL)) {
    const cluster = { replaceAfterMs: 60_000 };
    const sim = new SimCluster({ seed, nodes: 5, link: { jitterMs: 1 }, cluster });
    sim.start();
    await sim.world.runAwaiting(1_000);
    expect(await sim.settle(40_000)).toBe(true);
    const [alone, ...others] = sim.nodes as [SimNode, ...SimNode[]];
    const { network } = sim.world;
    network.split(
      [alone.machine.address],
      others.map(({ machine }) => machine.address),
    );
    await sim.world.runAwaiting(ALONE_MS);
    network.heal();
    let isOld = false;
    for (let ms = 0; ms < AFTER_MS; ms += STEP_MS) {
      await sim.world.runAwaiting(STEP_MS);
      isOld ||= oldSlots(alone) > 0;
      expect(others.map(oldSlots)).toEqual(others.map(() => 0));
    }
    expect(isOld).toBe(true);
    expect(await sim.settle(40_000)).toBe(true);
    expect(oldSlots(alone)).toBe(0);
  }
});
