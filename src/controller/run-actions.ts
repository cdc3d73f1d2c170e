import { isDeepStrictEqual } from 'node:util';
import type { ExperimentRun, RunStatus } from '../api/experiment-run.js';
import {
  ANNOTATION_VERDICT,
  FINALIZER,
  LABEL_EXPERIMENT,
  LABEL_NODE,
  LABEL_PART_OF,
  LABEL_RUN_UID,
  LABEL_STEP,
  PART_OF,
} from '../api/labels.js';
import { nodeMark } from '../api/node-mark.js';
import type { NewInjection, RunAction } from '../domain/observed.js';
import { ApiError } from '../kubernetes/errors.js';
import { inParallel } from '../kubernetes/parallel.js';
import type { KubeObject } from '../kubernetes/resource.js';
import type { Context } from './context.js';
import { experimentRuns, injections } from './resources.js';

/** How many injections are written at once. */
const WRITES_AT_ONCE = 16;

/**
 * Performs what was decided for a run, in order; neighbours that write injections go out together.
 * Returns the run as it is after that.
 */
export async function actOnRun(
  context: Context,
  run: ExperimentRun,
  actions: readonly RunAction[],
): Promise<ExperimentRun> {
  let latest = run;
  for (const group of neighbours(actions)) {
    const [first] = group;
    if (first?.do === 'addFinalizer' || first?.do === 'removeFinalizer') {
      latest = await setFinalizer(context, latest, first.do === 'addFinalizer');
      continue;
    }
    await inParallel(WRITES_AT_ONCE, group, (action) => actOnInjection(context, run, action));
  }
  return latest;
}

/** Splits actions where their kind changes, so that their order between kinds is kept. */
function neighbours(actions: readonly RunAction[]): RunAction[][] {
  const groups: RunAction[][] = [];
  for (const action of actions) {
    const last = groups.at(-1);
    if (last?.[0]?.do === action.do) last.push(action);
    else groups.push([action]);
  }
  return groups;
}

async function setFinalizer({ client, caches }: Context, run: ExperimentRun, wanted: boolean): Promise<ExperimentRun> {
  const { namespace, name, resourceVersion, finalizers = [] } = run.metadata;
  const others = finalizers.filter((each) => each !== FINALIZER);
  try {
    const patch = { metadata: { finalizers: wanted ? [...others, FINALIZER] : others } };
    const written = await client.patch(experimentRuns, namespace, name, patch, { resourceVersion });
    caches.runs.upsert(written);
    return { ...run, metadata: written.metadata as unknown as ExperimentRun['metadata'] };
  } catch (error) {
    // Without its last finalizer a deleted run is gone at once.
    if (!wanted && error instanceof ApiError && error.isNotFound) return run;
    throw error;
  }
}

/**
 * Confirms a verdict in the run's metadata before its status says it; a run without the finalizer needs none.
 * Returns the run as it is after that.
 */
export async function confirmVerdict(
  { client, caches }: Context,
  run: ExperimentRun,
  { verdict }: RunStatus,
): Promise<ExperimentRun> {
  const { namespace, name, resourceVersion, finalizers, annotations } = run.metadata;
  const isHeld = finalizers?.includes(FINALIZER);
  if (!verdict || !isHeld || annotations?.[ANNOTATION_VERDICT] === verdict) return run;
  const patch = { metadata: { annotations: { [ANNOTATION_VERDICT]: verdict } } };
  const written = await client.patch(experimentRuns, namespace, name, patch, { resourceVersion });
  caches.runs.upsert(written);
  return { ...run, metadata: written.metadata as unknown as ExperimentRun['metadata'] };
}

async function actOnInjection(context: Context, run: ExperimentRun, action: RunAction): Promise<void> {
  switch (action.do) {
    case 'createInjection':
      return createInjection(context, run, action.injection);
    case 'setInjectionState':
      return setInjectionState(context, action.name, action.state);
    case 'deleteInjection':
      return deleteInjection(context, action.name, action.uid);
  }
}

async function createInjection(
  { client, caches, namespace }: Context,
  run: ExperimentRun,
  { name, spec, held }: NewInjection,
): Promise<void> {
  const experiment = run.metadata.labels?.[LABEL_EXPERIMENT];
  const labels = {
    [LABEL_PART_OF]: PART_OF,
    [LABEL_RUN_UID]: run.metadata.uid,
    [LABEL_STEP]: spec.step,
    ...(spec.agent === 'Node' && { [LABEL_NODE]: nodeMark(spec.node ?? '') }),
    ...(experiment && { [LABEL_EXPERIMENT]: experiment }),
  };
  const object: KubeObject = { metadata: { name, namespace, labels, ...(held && { finalizers: [FINALIZER] }) }, spec };
  try {
    caches.injections.upsert(await client.create(injections, object));
  } catch (error) {
    if (!(error instanceof ApiError && error.isAlreadyExists)) throw error;
    // Made by an attempt whose answer was lost. Holding other targets, it must not pass for what is being recorded.
    const present = await client.get(injections, namespace, name);
    caches.injections.upsert(present);
    const same = (['run', 'agent', 'node', 'bootId', 'parts', 'targets'] as const).every((field) =>
      isDeepStrictEqual(present.spec?.[field], spec[field]),
    );
    if (!same) throw error;
  }
}

/** Moves an injection on; one that is gone has nothing left to move. */
export async function setInjectionState(
  { client, caches, namespace }: Context,
  name: string,
  state: string,
): Promise<void> {
  try {
    caches.injections.upsert(await client.patch(injections, namespace, name, { spec: { state } }));
  } catch (error) {
    if (!(error instanceof ApiError && error.isNotFound)) throw error;
  }
}

/** Deletes an injection that has nothing left to take back; another one of the same name stays. */
export async function deleteInjection(
  { client, caches, namespace }: Context,
  name: string,
  uid: string,
): Promise<void> {
  const { finalizers = [], resourceVersion } = caches.injections.get(namespace, name)?.metadata ?? {};
  try {
    if (finalizers.includes(FINALIZER)) {
      const others = finalizers.filter((each) => each !== FINALIZER);
      await client.patch(injections, namespace, name, { metadata: { finalizers: others } }, { resourceVersion });
    }
    await client.delete(injections, namespace, name, { uid });
  } catch (error) {
    if (!(error instanceof ApiError && (error.isNotFound || error.isConflict))) throw error;
  }
}
