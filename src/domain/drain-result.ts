import type { Step } from '../api/experiment.js';
import type { Injection, TargetStatus } from '../api/injection.js';
import type { RunDraft } from './draft.js';

interface Drained {
  name: string;
  progress: NonNullable<TargetStatus['progress']>;
}

/** What is worth knowing of the nodes that were emptied: what did not go, and what was left because it must be. */
export function drainNotes(injections: readonly Injection[]): string[] {
  const drains = drainsOf(injections);
  if (drains.length === 0) return [];
  const sum = (of: (progress: Drained['progress']) => number) =>
    drains.reduce((all, { progress }) => all + of(progress), 0);
  const total = sum((progress) => progress.total);
  const left = total - sum(({ done }) => done);
  const spared = sum((progress) => progress.spared ?? 0);
  const what = sum(({ refused }) => refused) > 0 ? 'could not be evicted' : 'did not go in time';
  const waiting = drains.find(({ progress }) => progress.done < progress.total)?.progress.waiting;
  return [
    ...(left > 0 ? [`${left} of ${total} pods ${what}${waiting ? `: ${waiting}` : ''}`] : []),
    ...(total === 0 ? ['no pod had to go'] : []),
    ...(spared > 0 ? [`${spared} protected ${spared === 1 ? 'pod was' : 'pods were'} left`] : []),
  ];
}

/**
 * Finds the nodes whose pods went although a disruption budget was to hold them back: then it is the budget that failed.
 * Says whether there was one. A node that no pod has left says nothing about budgets.
 */
export function findNotHeldBack(draft: RunDraft, step: Step): boolean {
  if (!draft.facts(step).heldBack) return false;
  const through = drainsOf(draft.injectionsOf(step.name)).filter(
    ({ progress }) => progress.refused === 0 && progress.done > 0,
  );
  for (const { name, progress } of through) {
    draft.find(
      'HypothesisViolated',
      `Node ${name} was not held back by a disruption budget: step '${step.name}' took ${progress.done} of ${progress.total} pods off it`,
    );
  }
  return through.length > 0;
}

function drainsOf(injections: readonly Injection[]): Drained[] {
  return injections.flatMap(({ spec, status }) => {
    const names = new Map(spec.targets.map(({ uid, name }) => [uid, name]));
    return (status?.targets ?? []).flatMap(({ uid, progress }) =>
      progress ? [{ name: names.get(uid) ?? uid, progress }] : [],
    );
  });
}
