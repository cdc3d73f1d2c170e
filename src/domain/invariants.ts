import { agentSafety } from './agent-safety.js';
import { lint } from './lint.js';
import { budgets, effects, endings } from './safety.js';
import type { Invariant, World } from './world.js';

/** Every invariant, in the order of their ids. */
export const invariants: readonly Invariant[] = [...effects, ...budgets, ...endings, ...agentSafety, ...lint];

/** What is broken in a world, as `S3a the run's budget is kept: 5 of 4`; empty when all is well. */
export function violations(world: World): string[] {
  return invariants.flatMap(({ id, says, broken }) => {
    const found = broken(world);
    return found === undefined ? [] : [`${id} ${says}: ${found}`];
  });
}
