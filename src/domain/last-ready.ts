import type { Candidate } from './observed.js';

/** What is known of the nodes beside the candidates of a draw. */
export interface OtherNodes {
  /** Names of nodes that are Ready and take pods. */
  spares: readonly string[];
  /** Names of nodes that runs hold or are about to: they do not count as left. */
  held: ReadonlySet<string>;
}

/**
 * What a draw has to leave alone so that the cluster keeps a node that is Ready and takes pods: the last group that has
 * one, when there is none elsewhere.
 *
 * @param groups nodes that are drawn together, in drawing order
 * @param others nodes that the step names too, but that are not drawn from
 */
export function keptReady(
  groups: readonly Candidate[][],
  others: readonly Candidate[],
  { spares, held }: OtherNodes,
): Candidate[] {
  const serves = ({ name, ready, unschedulable, terminating, obstacle }: Candidate) =>
    ready && !unschedulable && !terminating && obstacle !== 'inUse' && !held.has(name);
  // What was a spare when it was read may be a candidate by now.
  const named = new Set([...groups.flat(), ...others].map(({ name }) => name));
  const isSpare = (name: string) => !held.has(name) && !named.has(name);
  if (others.some(serves) || spares.some(isSpare)) return [];
  return groups.findLast((group) => group.some(serves)) ?? [];
}

/** The names of those of these targets that are nodes. */
export function nodeNames(targets: readonly Pick<Candidate, 'kind' | 'name'>[]): string[] {
  return targets.flatMap(({ kind, name }) => (kind === 'Node' ? [name] : []));
}
