import type { HypothesisProbe, ProbeStage } from '../api/experiment.js';
import type { StageResult } from '../api/experiment-run.js';
import { type Judgement, judge } from '../stats/expectation.js';
import type { RunDraft } from './draft.js';
import { shortened } from './draft.js';
import type { ProbeWindow } from './observed.js';

/** One probe's judgement in one stage; `window` is missing while this process measured nothing. */
export interface Judged {
  probe: HypothesisProbe;
  window: ProbeWindow | undefined;
  held: boolean | undefined;
  violations: string[];
}

/** Judges every probe that is asked for in a stage by its samples so far, and writes the results into the status. */
export function judgeStage(draft: RunDraft, stage: ProbeStage): Judged[] {
  const probes = (draft.template.hypothesis ?? []).filter((probe) => probe.stages.includes(stage));
  return probes.map((probe) => {
    const window = draft.observed.windows[probe.name]?.[stage];
    if (!window) return { probe, window, ...recorded(draft, probe, stage) };
    const judgement = judge(probe.expect, window.summary, { minimum: window.minSamples });
    writeResult(draft, probe.name, resultOf(stage, window, judgement));
    return { probe, window, ...judgement };
  });
}

/** After a restart of the controller, what an earlier process wrote down is all there is. */
function recorded(draft: RunDraft, probe: HypothesisProbe, stage: ProbeStage): Judgement {
  const stages = draft.status.probes?.find(({ name }) => name === probe.name)?.stages;
  const result = stages?.find((each) => each.stage === stage);
  return { held: result?.held, violations: result?.held === false && result.message ? [result.message] : [] };
}

/** Finds what was violated during the fault, whatever ended it. */
export function findViolations(draft: RunDraft): Judged[] {
  const judged = judgeStage(draft, 'During');
  for (const { probe, held, violations } of judged) {
    if (held !== false) continue;
    draft.find('HypothesisViolated', `Probe '${probe.name}' was violated during the fault: ${violations.join('; ')}`);
  }
  return judged;
}

function resultOf(stage: ProbeStage, { summary }: ProbeWindow, { held, violations }: Judgement): StageResult {
  const message = violations.join('; ') || (summary.lastFailure && `last failure: ${summary.lastFailure}`);
  return {
    stage,
    samples: summary.samples,
    ownErrors: summary.ownErrors,
    ...(summary.samples > 0 && { successRate: rounded(summary.successRate) }),
    ...(summary.latencyP50Milliseconds !== undefined && {
      latencyP50Milliseconds: rounded(summary.latencyP50Milliseconds),
    }),
    ...(summary.latencyP95Milliseconds !== undefined && {
      latencyP95Milliseconds: rounded(summary.latencyP95Milliseconds),
    }),
    ...(summary.latencyP99Milliseconds !== undefined && {
      latencyP99Milliseconds: rounded(summary.latencyP99Milliseconds),
    }),
    consecutiveFailures: summary.consecutiveFailures,
    ...(held !== undefined && { held }),
    ...(message && { message: shortened(message) }),
  };
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}

function writeResult(draft: RunDraft, name: string, result: StageResult): void {
  draft.status.probes ??= [];
  let entry = draft.status.probes.find((each) => each.name === name);
  if (!entry) {
    entry = { name, stages: [] };
    draft.status.probes.push(entry);
  }
  const place = entry.stages.findIndex(({ stage }) => stage === result.stage);
  if (place < 0) entry.stages.push(result);
  else entry.stages[place] = result;
}

/** Nothing but errors of our own, and as many as would have been samples: more time will not help. */
export function onlyOwnErrors({ window }: Judged): boolean {
  return window !== undefined && window.summary.samples === 0 && window.summary.ownErrors >= window.minSamples;
}

/** `probe 'x': 12 of 30 samples`, for a probe that could not be judged. */
export function tooFew({ probe, window }: Judged, stage: ProbeStage): string {
  const when = { Before: 'before', During: 'during', After: 'after' }[stage];
  const reason = window?.ownError ? ` (${window.ownError})` : '';
  const own = window?.summary.ownErrors ? `, and ${window.summary.ownErrors} that failed on our side${reason}` : '';
  const counted = `${window?.summary.samples ?? 0} of ${window?.minSamples ?? 'the needed'} samples`;
  return `Probe '${probe.name}' could not be judged ${when} the fault: ${counted}${own}${lastFailure(window)}`;
}

function lastFailure(window: ProbeWindow | undefined): string {
  return window?.summary.lastFailure ? ` (${window.summary.lastFailure})` : '';
}
