import type { Step } from '../api/experiment.js';
import { authorized } from './authorization.js';
import type { RunDraft } from './draft.js';
import type { Candidate } from './observed.js';

/** What a step is about to be put on. */
export interface Planned {
  step: Step;
  targets: readonly Candidate[];
}

/**
 * Whether rights and safeguards admit what is about to be hit; if not, why is found. Asks for a look at them that began
 * at `from` or later.
 *
 * @returns undefined while that is not known
 */
export function admitted(draft: RunDraft, from: number, _planned: readonly Planned[]): boolean | undefined {
  return authorized(draft, from);
}
