import { findCondition } from '../api/conditions.js';
import type { ExperimentRun, Finding, RunStatus } from '../api/experiment-run.js';
import { reasons } from '../api/reasons.js';
import { compare, parseComparison } from '../stats/comparison.js';
import { parseDuration } from '../stats/duration.js';
import { holds, type Invariant, justFinished, type World } from './world.js';

/** Findings in the order in which they decide the verdict, written down apart from the core on purpose. */
function rank({ reason }: Finding): number {
  if (reason === 'CleanupFailed' || reason === 'CleanupUnproven') return 0;
  return ['Failed', 'Aborted', 'Error', 'Inconclusive'].indexOf(reasons[reason].verdict) + 1;
}

function wrongVerdict({ findings = [], verdict, reason }: RunStatus): string | undefined {
  const best = Math.min(...findings.map(rank));
  const expected = findings.filter((each) => rank(each) === best).map((each) => each.reason);
  if (findings.length === 0) return verdict === 'Passed' && reason === 'HypothesisHeld' ? undefined : `${verdict}`;
  const fits = expected.some((each) => each === reason) && reason !== undefined && reasons[reason].verdict === verdict;
  return fits ? undefined : `${verdict}/${reason} from ${findings.map((each) => each.reason).join()}`;
}

function unearned(status: RunStatus, world: World): string | undefined {
  const { template } = world.run.spec;
  if (!template.hypothesis?.length) return 'nothing was asked';
  const missing = ['TargetsSelected', 'BaselineHeld', 'Injected', 'Reverted'].find((type) => !holds(status, type));
  if (missing) return `${missing} is not True`;
  const step = template.method.find(({ name }) => {
    const told = status.steps?.find((each) => each.name === name);
    return told?.state !== 'Done' || told.hit === 0 || told.effective === 0;
  });
  if (step) return `step ${step.name} had no effect`;
  if (world.injections.some((each) => each.status?.targets?.some(({ state }) => state === 'Failed')))
    return 'a refusal';
  if (world.injections.some((each) => each.status?.ended)) return 'an agent ended it';
  return template.hypothesis.map((probe) => unheld(status, probe)).find(Boolean);
}

type Probe = NonNullable<World['run']['spec']['template']['hypothesis']>[number];

function unheld(status: RunStatus, { name, stages, minSamples = 1, expect }: Probe): string | undefined {
  const results = status.probes?.find((each) => each.name === name)?.stages ?? [];
  const bad = stages.find((stage) => {
    const result = results.find((each) => each.stage === stage);
    if (result?.held !== true || result.samples < minSamples) return true;
    const limit = expect.successRate && parseComparison(expect.successRate, 'percent');
    return limit ? !compare(result.successRate ?? 0, limit) : false;
  });
  return bad && `probe ${name} ${bad}: ${JSON.stringify(results)}`;
}

function statusOf(world: World): RunStatus {
  return world.run.status ?? {};
}

function changed(world: World, fields: (keyof RunStatus)[]): string | undefined {
  const { change } = world;
  if (change.kind !== 'run' || !change.before?.status || !change.after) return undefined;
  const { before, after } = change;
  // Before the finalizer nothing was begun, and nothing of the status is believed.
  if (!before.metadata.finalizers?.length) return undefined;
  return fields.find((field) => {
    const old = before.status?.[field];
    return old !== undefined && JSON.stringify(old) !== JSON.stringify(after.status?.[field]);
  });
}

const order = ['Admitted', 'Baseline', 'Injecting', 'Holding', 'Reverting', 'Recovering', 'Finished'];

/** Rules on the status alone, and on how it may change. */
export const lint: readonly Invariant[] = [
  {
    id: 'L01',
    says: 'conditions are well-formed',
    broken: (world) => {
      const all = statusOf(world).conditions ?? [];
      if (new Set(all.map(({ type }) => type)).size !== all.length) return 'a type stands twice';
      const bad = all.find((each) => !/^[A-Z][A-Za-z]*$/.test(each.reason) || !each.message);
      const late = all.find((each) => Date.parse(each.lastTransitionTime) > world.now);
      return (bad ?? late) && JSON.stringify(bad ?? late);
    },
  },
  {
    id: 'L02',
    says: 'observedGeneration never runs ahead',
    broken: (world) => {
      const generation = world.run.metadata.generation ?? 0;
      const all = [
        statusOf(world).observedGeneration,
        ...(statusOf(world).conditions ?? []).map((c) => c.observedGeneration),
      ];
      return all.some((each) => (each ?? 0) > generation) ? `${all.join()} > ${generation}` : undefined;
    },
  },
  {
    id: 'L03',
    says: 'verdict, reason, finishTime, stage and Succeeded come together',
    broken: (world) => {
      const { verdict, reason, finishTime, stage, conditions } = statusOf(world);
      const succeeded = conditions?.some(({ type }) => type === 'Succeeded') ?? false;
      const signs = [
        verdict !== undefined,
        reason !== undefined,
        finishTime !== undefined,
        stage === 'Finished',
        succeeded,
      ];
      return new Set(signs).size > 1 ? signs.join() : undefined;
    },
  },
  {
    id: 'L04',
    says: 'the verdict is that of the gravest finding',
    broken: (world) => (statusOf(world).finishTime ? wrongVerdict(statusOf(world)) : undefined),
  },
  {
    id: 'L05',
    says: 'what is finished stays as it is',
    broken: (world) =>
      world.change.kind === 'run' && world.change.before?.status?.finishTime
        ? changed(world, ['verdict', 'finishTime', 'findings', 'steps', 'probes', 'message'])
        : undefined,
  },
  {
    id: 'L06',
    says: 'what is recorded once never changes',
    broken: (world) =>
      // What was chosen is taken from the injections after a restart, also when someone has deleted some.
      changed(world, ['seed', 'startTime', 'revertedTime', ...(world.tampered ? [] : (['selection'] as const))]),
  },
  {
    id: 'L07',
    says: 'stages follow one another',
    broken: ({ change }) => {
      if (change.kind !== 'run' || !change.after) return undefined;
      const place = (stage: string | undefined) => {
        const index = order.indexOf(stage ?? 'Admitted');
        // Steps take turns, and a baseline that led to nothing before a crash is measured anew.
        return index === 2 || index === 3 ? 1 : index;
      };
      const from = change.before?.status?.stage;
      const to = change.after.status?.stage;
      return place(from) > place(to) ? `${from} → ${to}` : undefined;
    },
  },
  {
    id: 'L08',
    says: 'the numbers of a step fit together',
    broken: (world) => {
      const wrong = statusOf(world).steps?.find(({ targets, hit, effective }) => effective > hit || hit > targets);
      return wrong && JSON.stringify(wrong);
    },
  },
  {
    id: 'L09',
    says: 'recovery is judged only after the revert',
    broken: (world) => {
      const { revertedTime, recoverySeconds, probes, conditions } = statusOf(world);
      if (revertedTime) return undefined;
      const measured = probes?.some(({ stages }) => stages.some(({ stage }) => stage === 'After'));
      const judged = recoverySeconds !== undefined || conditions?.some(({ type }) => type === 'Recovered');
      return measured || judged ? 'not reverted yet' : undefined;
    },
  },
  {
    id: 'L10',
    says: 'lists and strings keep within their bounds',
    broken: (world) => {
      const { findings = [], steps = [], message = '' } = statusOf(world);
      const long = findings.length > 20 || findings.some((each) => each.message.length > 1024) || message.length > 2048;
      return long || steps.some((each) => (each.names?.length ?? 0) > 100) ? 'too long' : undefined;
    },
  },
  {
    id: 'L11',
    says: 'numbers and findings never fall',
    broken: ({ change, tampered, oneShot }) => {
      if (tampered || change.kind !== 'run' || !change.after?.metadata.finalizers?.length) return undefined;
      const { before, after } = change;
      const gone = before?.status?.findings?.find(
        ({ reason }) => !after.status?.findings?.some((each) => each.reason === reason),
      );
      const fallen = before?.status?.steps?.find((old) => {
        const step = after.status?.steps?.find(({ name }) => name === old.name);
        // A fault that could not be taken back is told as a cleanup error, not as a hit.
        if (!oneShot[old.name]) return !step;
        return !step || step.hit < old.hit || step.effective < old.effective || step.targets < old.targets;
      });
      return (gone ?? fallen) && JSON.stringify(gone ?? fallen);
    },
  },
  {
    id: 'L12',
    says: 'a fault that outlasts its time is a Timeout',
    broken: ({ change }) => {
      if (change.kind !== 'run' || !change.before || !change.after) return undefined;
      const turned = ({ status }: ExperimentRun) => findCondition(status?.conditions, 'Reverted');
      const since = turned(change.before) ? undefined : turned(change.after)?.lastTransitionTime;
      const { startTime, findings = [] } = change.after.status ?? {};
      if (!since || !startTime || findings.some(({ reason }) => reason === 'Timeout')) return undefined;
      const late = Date.parse(since) >= Date.parse(startTime) + parseDuration(change.after.spec.template.timeout);
      return late ? `turned around at ${since}` : undefined;
    },
  },
  {
    id: 'S6c',
    says: 'Passed needs samples that held in every stage and an effect of every step',
    broken: (world) => {
      const status = justFinished(world);
      return status?.verdict === 'Passed' ? unearned(status, world) : undefined;
    },
  },
  {
    id: 'S7b',
    says: 'an abort or deletion that is stored when a run finishes is part of its verdict',
    broken: (world) => {
      const status = justFinished(world);
      const { spec, metadata } = world.run;
      if (!status || (!spec.abort && !metadata.deletionTimestamp)) return undefined;
      return status.findings?.some(({ reason }) => reason === 'AbortedByUser' || reason === 'Superseded')
        ? undefined
        : `${status.verdict}`;
    },
  },
];
