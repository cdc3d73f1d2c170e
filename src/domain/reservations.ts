import type { ExperimentSpec } from '../api/experiment.js';
import type { RunStatus } from '../api/experiment-run.js';
import { type Injection, isCertainlyOff, type Target } from '../api/injection.js';
import { groupNumbers } from './groups.js';
import type { RunAction, StepFacts } from './observed.js';
import { claimsOf } from './safeguards/claims.js';
import type { HeldTarget, Holding } from './survey.js';

/** What of a run decides what it holds. */
export interface Holder {
  method: ExperimentSpec['method'];
  status: Pick<RunStatus, 'finishTime' | 'steps'>;
  /** By the name of the step. */
  facts: Readonly<Record<string, Pick<StepFacts, 'oneShot' | 'disrupts'>>>;
}

/**
 * What a run holds: the targets in its injections and of those about to be made, but those on which nothing can be any
 * more; and until it is over, all that it claims.
 */
export function holdingOf(
  { method, status, facts }: Holder,
  injections: readonly Injection[],
  actions: readonly RunAction[] = [],
): Holding {
  const isOver = status.finishTime !== undefined;
  const done = new Set(status.steps?.flatMap(({ name, state }) => (state === 'Done' ? [name] : [])));
  const groups = groupNumbers(method);
  const held = new Map<string, HeldTarget>();
  const hold = (step: string, target: Target) => {
    const group = groups.get(step) ?? 0;
    const key = `${group}/${target.uid}`;
    const disrupts = (facts[step]?.disrupts ?? true) || held.get(key)?.disrupts === true;
    held.set(key, { ...target, group, disrupts });
  };
  for (const { spec, status: found } of injections) {
    // What has nothing to take back is over with its step.
    if (facts[spec.step]?.oneShot && (isOver || done.has(spec.step))) continue;
    const off = new Set(found?.targets?.flatMap(({ uid, state }) => (isCertainlyOff(state) ? [uid] : [])));
    for (const target of spec.targets) if (!off.has(target.uid)) hold(spec.step, target);
  }
  const planned = actions.flatMap((action) => (action.do === 'createInjection' ? [action.injection.spec] : []));
  for (const { step, targets } of planned) for (const target of targets) hold(step, target);
  const claimed = [...injections.map(({ spec }) => spec), ...planned].flatMap(({ targets }) => targets);
  return { targets: [...held.values()], claims: isOver ? [] : claimsOf(claimed) };
}
