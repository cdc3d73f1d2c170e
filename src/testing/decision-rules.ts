import { FINALIZER } from '../api/labels.js';
import type { RunAction, RunDecision, RunObserved } from '../domain/observed.js';
import { InvariantBroken } from './simulated-cluster.js';

const goesOn = (action: RunAction) =>
  action.do === 'createInjection' || (action.do === 'setInjectionState' && action.state === 'Apply');

function stopProblem({ run, halts }: RunObserved, { actions, status }: RunDecision): string | undefined {
  const found = (reason: string) => status.findings?.some((each) => each.reason === reason) ?? false;
  const aborted = run.spec.abort !== undefined || run.metadata.deletionTimestamp !== undefined;
  if (halts.length > 0 && !found('Halted')) return 'S7c a halt that is visible is found';
  if (aborted && !found('AbortedByUser')) return 'S7d an abort or deletion that is visible is found';
  if ((halts.length > 0 || aborted) && actions.some(goesOn)) return 'S7e nothing goes on once a stop is visible';
  return undefined;
}

function finalizerProblem({ run }: RunObserved, { actions }: RunDecision): string | undefined {
  const creates = actions.findIndex((action) => action.do === 'createInjection');
  const adds = actions.findIndex((action) => action.do === 'addFinalizer');
  const isHeld = run.metadata.finalizers?.includes(FINALIZER);
  return creates >= 0 && !isHeld && (adds < 0 || adds > creates)
    ? 'S1e the finalizer comes before any intent'
    : undefined;
}

function problem(observed: RunObserved, decision: RunDecision, now: number): string | undefined {
  const { actions, wakeAt } = decision;
  if (wakeAt !== undefined && !(wakeAt >= now)) return `S0a wakes in the past: ${wakeAt} < ${now}`;
  if (observed.run.status?.finishTime) return actions.some(goesOn) ? 'S2f a finished run injects' : undefined;
  return stopProblem(observed, decision) ?? finalizerProblem(observed, decision);
}

/** Rules on a single decision about a run. */
export function checkDecision(observed: RunObserved, decision: RunDecision, now: number): void {
  const found = problem(observed, decision, now);
  if (found) throw new InvariantBroken(found);
}
