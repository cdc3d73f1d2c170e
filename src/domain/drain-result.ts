import type { Step } from '../api/experiment.js';
import type { Injection, Progress } from '../api/injection.js';
import type { RunDraft } from './draft.js';

interface Drained {
  name: string;
  progress: Progress;
}

/** How far a step is that empties nodes, over all of them; undefined: it does not. */
export function drainProgress(injections: readonly Injection[]): Progress | undefined {
  const all = drainsOf(injections).map(({ progress }) => progress);
  if (all.length === 0) return undefined;
  const sum = (of: (progress: Progress) => number) => all.reduce((total, progress) => total + of(progress), 0);
  const spared = sum((progress) => progress.spared ?? 0);
  const waiting = all.find(({ done, total }) => done < total)?.waiting;
  return {
    done: sum(({ done }) => done),
    total: sum(({ total }) => total),
    refused: sum(({ refused }) => refused),
    ...(spared > 0 && { spared }),
    ...(waiting !== undefined && { waiting }),
  };
}

/** What is worth knowing of the nodes that were emptied: what did not go, and what was left because it must be. */
export function drainNotes(injections: readonly Injection[]): string[] {
  const progress = drainProgress(injections);
  if (!progress) return [];
  const { done, total, refused, spared = 0, waiting } = progress;
  const what = refused > 0 ? 'could not be evicted' : 'did not go in time';
  return [
    ...(done < total ? [`${total - done} of ${total} pods ${what}${waiting ? `: ${waiting}` : ''}`] : []),
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
