import { type Injection, isCertainlyOff, type Target } from '../api/injection.js';
import type { RunAction } from './observed.js';

/** The targets a run holds: all that are in its injections or about to be, but those on which nothing can be any more. */
export function heldBy(injections: readonly Injection[], actions: readonly RunAction[] = []): Target[] {
  const held = new Map<string, Target>();
  for (const { spec, status } of injections) {
    const off = new Set(status?.targets?.flatMap(({ uid, state }) => (isCertainlyOff(state) ? [uid] : [])));
    for (const target of spec.targets) if (!off.has(target.uid)) held.set(target.uid, target);
  }
  for (const action of actions) {
    if (action.do === 'createInjection')
      for (const target of action.injection.spec.targets) held.set(target.uid, target);
  }
  return [...held.values()];
}
