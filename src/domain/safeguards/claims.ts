import type { Target } from '../../api/injection.js';
import type { Reservation } from '../survey.js';
import type { Refusal } from './input.js';
import { workloadOf } from './pods-hit.js';

/**
 * What nobody else may hit while a run that hits this target is not over, in words: two experiments on the same thing
 * could not be told apart. It is the workload; without one, the target itself.
 */
export function claimOf(target: Target): string {
  const workload = workloadOf(target);
  if (workload !== undefined) return `${workload} in namespace ${target.namespace}`;
  return target.kind === 'Node'
    ? `node ${target.name}`
    : `pod ${target.name} (${target.uid}) in namespace ${target.namespace}`;
}

/** The different things that these targets claim. */
export function claimsOf(targets: readonly Target[]): string[] {
  return [...new Set(targets.map(claimOf))];
}

/** Whose each claim is. */
export type Claimed = ReadonlyMap<string, Reservation['run']>;

/** What all these runs claim. */
export function claimedBy(reservations: readonly Reservation[]): Claimed {
  return new Map(reservations.flatMap(({ run, claims }) => claims.map((claim) => [claim, run] as const)));
}

/** What other runs claim already of what is about to be hit. */
export function claimRefusals(claimed: Claimed, targets: readonly Target[]): Refusal[] {
  return claimsOf(targets).flatMap((claim) => {
    const run = claimed.get(claim);
    if (!run) return [];
    return [{ by: `run ${run.namespace}/${run.name}`, message: `${claim} belongs to that run until it is over` }];
  });
}
