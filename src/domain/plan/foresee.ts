import type { Step } from '../../api/experiment.js';
import type { Finding, Removed } from '../../api/experiment-run.js';
import type { Agent } from '../../api/injection.js';
import { parseDuration } from '../../stats/duration.js';
import { drawAll, YOUTH_MILLISECONDS } from '../admission.js';
import { carry } from '../agents.js';
import { RunDraft } from '../draft.js';
import { type Draw, draw, removedBy } from '../draw.js';
import type { Candidate, RunDecision, RunObserved } from '../observed.js';
import { decideRun } from '../run.js';
import { admitted } from '../safeguards.js';
import type { Survey } from '../survey.js';

/** A candidate that would be hit. */
export interface Drawn {
  candidate: Candidate;
  /** Who would put the fault on it; undefined: the controller, through the API server, or nobody can. */
  agent?: Agent;
}

/** What would be drawn for a step. */
export interface StepDraw {
  step: string;
  fault: string;
  /** How many objects the step's targets name. */
  matched: number;
  removed: Removed;
  /** How many of them could be drawn. */
  candidates: number;
  targets: Drawn[];
  /** Those that later rounds would draw when nothing becomes Ready between them; only of faults that are repeated. */
  later: Candidate[];
  /** Every other object that is named, and why it would not be hit: a filter, or `notDrawn` when it was only not its turn. */
  others: { candidate: Candidate; why: keyof Removed | 'notDrawn' }[];
}

/** What a run would do that started now. */
export interface Foreseen {
  steps: StepDraw[];
  /** Why it would be refused, or would end before it hits anything; empty: it would run. */
  refusals: Finding[];
  /** When targets are drawn: later than now when all that a step names is too young, in milliseconds since the epoch. */
  drawnAt: number;
}

/**
 * Foretells what a run would do that started now: the same decisions as those of a run, only that nobody carries them out.
 *
 * @param observed all that a run looks at, with all nodes, the survey, and candidates that are known
 * @param now milliseconds since the epoch, in API-server time
 */
export function foresee(observed: RunObserved, now: number): Foreseen {
  // A halt hides everything else there is to say, so it is asked for on its own.
  const halted = observed.halts.length > 0 ? findingsOf(decideRun(at(observed, now), now)) : [];
  const free = { ...observed, halts: [] };
  let drawnAt = now;
  let decision = decideRun(at(free, now), now);
  const { wakeAt = now } = decision;
  if (isWaiting(decision) && wakeAt <= now + YOUTH_MILLISECONDS) {
    drawnAt = wakeAt;
    decision = decideRun(at(free, drawnAt), drawnAt);
  }
  const draft = begun(at(free, drawnAt), drawnAt, decision);
  const steps = drawAll(draft, observed.candidates ?? {}).map((drawn) => drawOf(draft, drawn, decision));
  return {
    steps,
    refusals: distinct([...halted, ...findingsOf(decision), ...hidden(draft, steps, decision)]),
    drawnAt,
  };
}

/** A run that has begun and that nothing is decided of yet. */
function begun(observed: RunObserved, now: number, { status }: RunDecision): RunDraft {
  const { startTime, seed, steps } = status;
  const known = { ...(startTime && { startTime }), ...(seed !== undefined && { seed }), ...(steps && { steps }) };
  return new RunDraft({ ...observed, run: { ...observed.run, status: known } }, now);
}

/** What is known is taken for known at that time. */
function at(observed: RunObserved, now: number): RunObserved {
  const nodes = new Map([...observed.nodes].map(([name, facts]) => [name, { ...facts, readAt: now }]));
  return { ...observed, nodes, ...(observed.survey && { survey: { ...observed.survey, at: now } }) };
}

/** Neither drawn nor refused: all that a step names is too young, and will be old enough soon. */
function isWaiting({ status }: RunDecision): boolean {
  return findingsOf({ status }).length === 0 && !status.conditions?.some(({ type }) => type === 'TargetsSelected');
}

function findingsOf({ status }: Pick<RunDecision, 'status'>): Finding[] {
  return status.findings ?? [];
}

/** What the run would not have got to see because it was refused for another reason before. */
function hidden(draft: RunDraft, steps: readonly StepDraw[], decision: RunDecision): Finding[] {
  const { observed, now } = draft;
  const { survey } = observed;
  if (!survey) return [];
  const targets = new Map(steps.map((each) => [each.step, each.targets.map(({ candidate }) => candidate)]));
  const planned = draft.template.method
    .map((step) => ({ step, targets: targets.get(step.name) ?? [] }))
    .filter((each) => each.targets.length > 0);
  // Who lacks rights learns nothing of safeguards, so these are asked once more as if nothing were lacking.
  const granted: Survey = { ...survey, missing: [], noAccount: false, unknownKinds: [] };
  return [survey, granted].flatMap((each) => {
    const asked = begun({ ...observed, survey: each }, now, decision);
    admitted(asked, now, planned);
    return asked.status.findings ?? [];
  });
}

function distinct(findings: readonly Finding[]): Finding[] {
  return [...new Map(findings.map((finding) => [`${finding.reason}\n${finding.message}`, finding])).values()];
}

function drawOf(
  draft: RunDraft,
  { step, draw: drawn }: { step: Step; draw: Draw },
  { actions }: RunDecision,
): StepDraw {
  const { observed, now } = draft;
  const fault = draft.facts(step);
  const named = observed.candidates?.[step.name] ?? [];
  const chosen = drawn.order.slice(0, drawn.chosen);
  const agents = new Map<string, Agent | undefined>();
  for (const { pod, agent } of carry(draft, step, chosen)?.carried ?? []) agents.set(pod.uid, agent);
  // What the decision would make durable is what is hit; the draw alone is told when it was refused.
  const decided = new Set(
    actions.flatMap((action) =>
      action.do === 'createInjection' && action.injection.spec.step === step.name
        ? action.injection.spec.targets.map(({ uid }) => uid)
        : [],
    ),
  );
  const hit = decided.size > 0 || step.companionOf ? named.filter(({ uid }) => decided.has(uid)) : chosen;
  const hitUids = new Set(hit.map(({ uid }) => uid));
  const later = laterRounds(draft, step, named, hitUids);
  return {
    step: step.name,
    fault: fault.fault,
    matched: drawn.matched,
    removed: drawn.removed,
    candidates: drawn.candidates,
    targets: inOrder(hit, drawn.order).map((candidate) => {
      const agent = agents.get(candidate.uid);
      return { candidate, ...(agent && { agent }) };
    }),
    later,
    others: named
      .filter(({ uid }) => !hitUids.has(uid))
      .map((candidate) => ({
        candidate,
        why: whyNot(candidate, drawn, removedBy(candidate, step.targets, now, fault)),
      })),
  };
}

/** What is kept so that a Ready node is left is no matter of one candidate: no filter removes it, and yet it is not in the order. */
function whyNot({ uid }: Candidate, draw: Draw, removed: keyof Removed | undefined): keyof Removed | 'notDrawn' {
  const isKept = draw.removed.lastReady !== undefined && !draw.order.some((each) => each.uid === uid);
  return removed ?? (isKept ? 'lastReady' : 'notDrawn');
}

function inOrder(hit: readonly Candidate[], order: readonly Candidate[]): Candidate[] {
  const place = new Map(order.map(({ uid }, index) => [uid, index]));
  return [...hit].sort((a, b) => (place.get(a.uid) ?? 0) - (place.get(b.uid) ?? 0));
}

/** The draws of later rounds, as far as no newcomer becomes Ready before them. */
function laterRounds(
  draft: RunDraft,
  step: Step,
  named: readonly Candidate[],
  first: ReadonlySet<string>,
): Candidate[] {
  const { removesPods, repeatEveryMilliseconds: every } = draft.facts(step);
  if (every === undefined || step.duration === undefined) return [];
  const rounds = Math.ceil(parseDuration(step.duration) / every);
  const limit = Math.min(
    draft.template.safeguards?.maxTargets ?? Number.POSITIVE_INFINITY,
    step.safeguards?.maxTargets ?? Number.POSITIVE_INFINITY,
  );
  const all = new Set(first);
  const later: Candidate[] = [];
  for (let round = 1; round < rounds && all.size < limit && later.length < named.length; round += 1) {
    const { seed = 0 } = draft.status;
    const { order, chosen } = draw(named, step.targets, {
      seed,
      key: `${step.name}/${round}`,
      now: draft.now,
      fault: draft.facts(step),
      ...(removesPods && { exclude: all }),
    });
    for (const candidate of order.slice(0, chosen)) {
      if (all.has(candidate.uid) || all.size >= limit) continue;
      all.add(candidate.uid);
      later.push(candidate);
    }
  }
  return later;
}
