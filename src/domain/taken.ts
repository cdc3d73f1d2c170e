import type { Step } from '../api/experiment.js';
import { type Injection, isCertainlyOff } from '../api/injection.js';
import type { RunDraft } from './draft.js';
import { targetStates } from './progress.js';
import type { SafetyStep } from './safeguards/input.js';

/**
 * What a step is on and was on: its first so many rounds, and what has just been drawn for it. A round that is not
 * recorded is drawn anew, whatever an attempt has left of it.
 */
export function taken(
  draft: RunDraft,
  step: Step,
  rounds: number,
): Pick<SafetyStep, 'name' | 'facts' | 'on' | 'gone' | 'drawn'> {
  const facts = draft.facts(step);
  const replaced = new Set(draft.actions.flatMap((action) => (action.do === 'deleteInjection' ? [action.name] : [])));
  // What an earlier attempt has left of a round that was drawn just now is part of it where it is the same.
  const drawnRounds = Math.max(rounds, draft.stepStatus(step).rounds);
  const recorded = draft
    .injectionsOf(step.name)
    .filter(({ metadata, spec }) => spec.round < rounds || (spec.round < drawnRounds && !replaced.has(metadata.name)));
  const states = targetStates(recorded);
  const isOver = facts.oneShot && draft.stepStatus(step).state === 'Done';
  const fresh = draft.actions.flatMap((action) =>
    action.do === 'createInjection' && action.injection.spec.step === step.name ? action.injection.spec.targets : [],
  );
  const killed = facts.removesPods ? states.filter(({ state }) => state === 'Effective') : [];
  return {
    name: step.name,
    facts,
    on: [...(isOver ? [] : recorded.flatMap(targetsOn)), ...fresh],
    gone: new Set(killed.map(({ uid }) => uid)),
    drawn: new Set([...states.filter(({ state }) => state !== 'Missed'), ...fresh].map(({ uid }) => uid)),
  };
}

function targetsOn({ spec, status }: Injection) {
  const off = new Set(status?.targets?.flatMap(({ uid, state }) => (isCertainlyOff(state) ? [uid] : [])));
  return spec.targets.filter(({ uid }) => !off.has(uid));
}
