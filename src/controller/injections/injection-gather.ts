import type { ExperimentRun } from '../../api/experiment-run.js';
import type { Injection, Target } from '../../api/injection.js';
import type { InjectionObserved } from '../../domain/injection-observed.js';
import type { Candidate } from '../../domain/observed.js';
import { isStopping } from '../../domain/run.js';
import { faultOf } from '../../faults/index.js';
import { inParallel } from '../../kubernetes/parallel.js';
import { pods } from '../../kubernetes/resource.js';
import { present } from '../api-steps/outcome.js';
import type { Context } from '../context.js';
import { halts } from '../gather.js';
import { projectPod } from '../projections.js';
import { Protection, runNamespace } from '../safeguards/protection.js';
import type { InjectionMemory } from './injection-memory.js';

/** How many targets of one injection are read or worked on at once. */
export const TARGETS_AT_ONCE = 20;

/** The run that an injection belongs to; undefined when it is over, gone, or another one by now. */
export function liveRun({ records }: Context, { spec }: Injection): ExperimentRun | undefined {
  const run = records.run(spec.run.namespace, spec.run.name);
  return run?.metadata.uid === spec.run.uid && !run.status?.finishTime ? run : undefined;
}

/** Whether nothing more may be hit for an injection. */
export function isToStop(context: Context, injection: Injection): boolean {
  const run = liveRun(context, injection);
  return !run || isStopping(run, halts(context));
}

/** Puts together all that a decision about an injection may look at. */
export async function gatherInjection(
  context: Context,
  injection: Injection,
  memory: InjectionMemory,
): Promise<InjectionObserved> {
  const { fault } = faultOf(injection.spec);
  const run = liveRun(context, injection);
  const known = await knownTargets(context, injection, run, memory);
  return {
    injection,
    fault: fault.name,
    oneShot: fault.oneShot,
    shows: !(fault.by === 'ApiServer' && fault.removesPods),
    runIsLive: run !== undefined,
    stopping: isToStop(context, injection),
    present: known && marked(context, injection, known),
    prepared: memory.prepared,
    outcomes: memory.outcomes,
    undone: memory.undone,
    sightings: memory.sightings,
    certain: memory.certain,
  };
}

type Known = ReadonlyMap<string, Candidate>;

/** Nobody watches the targets of a run that is over, and after an attempt without an answer a watch may lag behind it. */
async function knownTargets(
  context: Context,
  injection: Injection,
  run: ExperimentRun | undefined,
  { unanswered }: InjectionMemory,
): Promise<Known | undefined> {
  if (!run) return readPods(context, injection, () => true);
  const watched = context.targets.candidatesOf(run.metadata.uid, injection.spec.step);
  if (!watched || unanswered.size === 0) return watched;
  const read = await readPods(context, injection, (uid) => unanswered.has(uid));
  const kinds = new Map(injection.spec.targets.map(({ uid, kind }) => [uid, kind]));
  const isRead = (uid: string) => unanswered.has(uid) && isPod(kinds.get(uid));
  return new Map([...[...watched].filter(([uid]) => !isRead(uid)), ...read]);
}

function marked(context: Context, { spec }: Injection, known: Known): Known {
  const protection = new Protection(context, runNamespace(context, spec.run));
  if (protection.isIdle) return known;
  const spared = (target: Candidate) => target.protected || protection.against(target) !== undefined;
  return new Map([...known].map(([uid, target]) => [uid, { ...target, protected: spared(target) }]));
}

/** Reads pods that are not settled, one by one. What becomes of other targets is seen on these when they are inspected. */
async function readPods(
  { client }: Context,
  { spec, status }: Injection,
  wanted: (uid: string) => boolean,
): Promise<Known> {
  const states = new Map(status?.targets?.map(({ uid, state }) => [uid, state]));
  const isOpen = ({ uid, kind }: Target) =>
    isPod(kind) && wanted(uid) && [undefined, 'Applying', 'Confirmed'].includes(states.get(uid));
  const found = new Map<string, Candidate>();
  await inParallel(TARGETS_AT_ONCE, spec.targets.filter(isOpen), async ({ namespace, name, uid }) => {
    const pod = await present(client.get(pods, namespace, name));
    if (pod?.metadata.uid === uid) found.set(uid, projectPod(pod));
  });
  return found;
}

function isPod(kind: Target['kind']): boolean {
  return kind === undefined || kind === 'Pod';
}
