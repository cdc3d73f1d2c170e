import type { Step } from '../api/experiment.js';
import type { StepStatus } from '../api/experiment-run.js';
import type { Injection, Target } from '../api/injection.js';
import { makeDurable } from './admission.js';
import { type Carried, carry, wordsOf } from './agents.js';
import { authorized, OLDEST_LOOK_MILLISECONDS } from './authorization.js';
import { type RunDraft, shortened, timestamp } from './draft.js';
import { draw } from './draw.js';
import { nodeNames, type OtherNodes } from './last-ready.js';
import type { Candidate } from './observed.js';
import { type KnownTarget, recordedInjections, recordedRounds, targetStates } from './progress.js';
import { type Affordable, affordable, refusalWords } from './safeguards.js';

/** Draws the next ones for targets that were gone before they were hit. Returns whether there is something to await. */
export function replaceMissed(draft: RunDraft, step: Step, states: readonly KnownTarget[]): boolean {
  const wanted = wantedAtOnce(draft, step);
  const missing = wanted - states.filter(({ hit }) => hit).length;
  if (missing <= 0 || step.companionOf || draft.facts(step).repeatEveryMilliseconds !== undefined) return false;
  if (!draft.observed.candidates || !authorized(draft, draft.now - OLDEST_LOOK_MILLISECONDS)) return true;
  const noticed = Math.max(0, ...states.flatMap(({ state, since }) => (state === 'Missed' ? [since] : [])));
  const redraw = drawAgain(draft, step, step.name, noticed);
  if (!redraw) return true;
  const found = carry(draft, step, redraw.fit, missing);
  if (!found) return true;
  if (found.carried.length === 0) {
    const reasons = [wordsOf(found.refused), refusalWords(redraw.refused)].filter(Boolean).join('; ');
    const why = reasons === '' ? '' : `: ${reasons}`;
    draft.stepStatus(step).message = shortened(
      `${missing} of ${wanted} targets were gone before the fault, and no other candidate was left${why}`,
    );
    return false;
  }
  create(draft, step, found.carried);
  return true;
}

/** How many pods a step's fault may be on at the same time. */
export function wantedAtOnce(draft: RunDraft, step: Step): number {
  return draft.status.selection?.find((each) => each.step === step.name)?.chosen ?? 0;
}

/** Makes the step's next round durable; it is applied once the status records it. */
export function create(draft: RunDraft, step: Step, carried: readonly Carried[]): void {
  const round = recordedRounds(draft, step);
  makeDurable(draft, step, round, carried);
  draft.stepStatus(step).rounds = round + 1;
  draft.wakeAt(draft.now);
}

interface Redraw extends Affordable {
  /** Those that could be drawn, in drawing order. */
  order: Candidate[];
}

/**
 * Draws again. A pod that the run has taken away, or is about to, is not drawn twice. What safeguards depend on must have
 * been looked at from `from` on; undefined while it was not.
 */
function drawAgain(draft: RunDraft, step: Step, key: string, from: number): Redraw | undefined {
  const fault = draft.facts(step);
  const held = heldTargets(draft, step);
  const isOpen = ({ state }: KnownTarget) => state === undefined || state === 'Applying';
  const isRepeatable = !fault.removesPods && fault.repeatEveryMilliseconds !== undefined;
  const out = isRepeatable ? held.filter(isOpen) : held;
  const drawn = draw(draft.observed.candidates?.[step.name] ?? [], step.targets, {
    seed: draft.status.seed ?? 0,
    key,
    now: draft.now,
    fault,
    exclude: new Set([...out, ...plannedTargets(draft)].map(({ uid }) => uid)),
    nodes: otherNodes(draft, step),
  });
  const order = step.targets.zones ? inDrawnZones(draft, step, drawn.order) : drawn.order;
  const found = affordable(draft, step, order, from);
  return found && { order, ...found };
}

/** Those in a zone that the step has drawn before: nothing of another zone takes the place of one of its nodes. */
function inDrawnZones(draft: RunDraft, step: Step, order: readonly Candidate[]): Candidate[] {
  const zones = new Set(recordedInjections(draft, step).flatMap(({ spec }) => spec.targets.map(({ zone }) => zone)));
  return order.filter(({ zone }) => zones.has(zone));
}

function otherNodes(draft: RunDraft, step: Step): OtherNodes {
  const { spareNodes = {}, reservations } = draft.observed;
  const held = [...reservations.flatMap(({ targets }) => targets), ...draft.holding().targets];
  return { spares: spareNodes[step.name] ?? [], held: new Set(nodeNames(held)) };
}

/** The targets of all injections of the run but those of the round that is being drawn: what an attempt left is drawn anew. */
export function heldTargets(draft: RunDraft, step: Step): KnownTarget[] {
  const rounds = recordedRounds(draft, step);
  const isHeld = ({ spec }: Injection) => spec.step !== step.name || spec.round < rounds;
  return targetStates(draft.observed.injections.filter(isHeld));
}

/** What the steps beside this one have just drawn. */
function plannedTargets(draft: RunDraft): Target[] {
  return draft.actions.flatMap((action) => (action.do === 'createInjection' ? action.injection.spec.targets : []));
}

/** Draws and applies anew what is to be repeated while the step lasts. */
export function repeat(draft: RunDraft, step: Step, status: StepStatus, ends: number): void {
  const every = draft.facts(step).repeatEveryMilliseconds;
  if (every === undefined || draft.now >= ends) return;
  const due = Date.parse(status.roundTime ?? draft.time) + every;
  if (due >= ends) return;
  if (draft.now < due) {
    draft.wakeAt(due);
    return;
  }
  if (!authorized(draft, draft.now - OLDEST_LOOK_MILLISECONDS)) return;
  const redraw = drawAgain(draft, step, `${step.name}/${recordedRounds(draft, step)}`, due);
  if (!redraw) return;
  const found = carry(draft, step, redraw.fit.slice(0, roundSize(step, redraw.order.length)));
  if (!found) return;
  status.roundTime = timestamp(draft.now);
  draft.wakeAt(draft.now + every);
  if (found.carried.length === 0) {
    const why = [wordsOf(found.refused), refusalWords(redraw.refused)].filter(Boolean).join('; ');
    status.message = shortened(`round ${status.rounds + 1} hit nothing, because ${why || 'no candidate was left'}`);
    return;
  }
  const known = new Set(targetStates(recordedInjections(draft, step)).map(({ uid }) => uid));
  status.targets += found.carried.filter(({ pod }) => !known.has(pod.uid)).length;
  create(draft, step, found.carried);
}

function roundSize(step: Step, candidates: number): number {
  const { count: wanted, percent } = step.targets;
  if (percent !== undefined) return Math.max(1, Math.floor((candidates * percent) / 100));
  return wanted ?? 1;
}
