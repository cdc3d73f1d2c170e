import type { Experiment, Step } from '../../api/experiment.js';
import { type Targets, workloadKinds } from '../../api/targets.js';
import type { Candidate } from '../../domain/observed.js';
import { ApiError } from '../../kubernetes/errors.js';
import { inParallel } from '../../kubernetes/parallel.js';
import { resources } from '../api-steps/objects.js';
import { watchOf } from '../candidates/candidate-watch.js';
import { isRolling } from '../candidates/workload-targets.js';
import type { Context } from '../context.js';

/** How long the targets may take to be listed. */
const LIST_MILLISECONDS = 10_000;
/** How many names a message holds. */
const MOST_NAMES = 3;
/** Of how many workloads it is read whether they roll out; more are hardly meant by one experiment. */
const MOST_WORKLOADS = 50;
const READS_AT_ONCE = 8;

type WorkloadKind = (typeof workloadKinds)[number];

/**
 * What of `startWhen` does not hold now, in words; nothing when a run can be started. The targets are listed once, as the
 * steps of a run would.
 */
export async function readUnready(context: Context, { metadata, spec }: Experiment): Promise<string[]> {
  const { namespace = '' } = metadata;
  const { startWhen = [] } = spec.schedule ?? {};
  const told: string[] = [];
  const workloads = new Set<string>();
  for (const step of spec.method) {
    const found = await listTargets(context, namespace, step.targets);
    if (typeof found === 'string') told.push(`the targets of step '${step.name}' could not be listed: ${found}`);
    else if (startWhen.includes('TargetsReady')) told.push(...unready(step, found));
    for (const workload of workloadsOf(step, found)) workloads.add(workload);
  }
  if (!startWhen.includes('NoRolloutInProgress')) return told;
  return [...told, ...(await rollouts(context, namespace, [...workloads].slice(0, MOST_WORKLOADS)))];
}

/** The workloads that a step's targets belong to or are, as `Deployment/web`. */
function workloadsOf({ targets }: Step, found: readonly Candidate[] | string): string[] {
  const named = targets.pods?.workload;
  const own = typeof found === 'string' ? [] : found.map(({ workload }) => workload);
  return [...own, named && `${named.kind}/${named.name}`].filter((each) => each !== undefined);
}

/** The candidates that targets name now, or why they are not known. */
async function listTargets(
  { client, log }: Context,
  namespace: string,
  targets: Targets,
): Promise<Candidate[] | string> {
  const watch = watchOf(targets, {
    client,
    namespace,
    onChange: () => {},
    onError: (error) =>
      log.debug({ err: error instanceof Error ? error.message : error }, 'Targets could not be listed'),
  });
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('the API server did not answer in time')), LIST_MILLISECONDS);
  });
  const started = watch.start();
  started.catch(() => {});
  try {
    await Promise.race([started, timeout]);
    return watch.list() ?? 'the API server could not be watched';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    clearTimeout(timer);
    await watch.stop();
  }
}

/** Which targets of a step are not Ready. The names of nodes are not told to everybody who may make an experiment. */
function unready({ name: step, targets }: Step, all: readonly Candidate[]): string[] {
  const present = all.filter(({ completed }) => !completed);
  if (present.length === 0) return [`step '${step}' has no targets`];
  const missing = present.filter(({ ready, terminating }) => !ready || terminating);
  if (missing.length === 0) return [];
  const names = missing.slice(0, MOST_NAMES).map(({ name }) => name);
  const which =
    targets.nodes || targets.zones ? '' : `: ${names.join(', ')}${missing.length > MOST_NAMES ? ', …' : ''}`;
  return [`${missing.length} of ${present.length} targets of step '${step}' are not Ready${which}`];
}

async function rollouts({ client }: Context, namespace: string, workloads: readonly string[]): Promise<string[]> {
  const told: string[] = [];
  await inParallel(READS_AT_ONCE, workloads, async (workload) => {
    const [kind = '', name = ''] = workload.split('/');
    if (!isWorkloadKind(kind)) return;
    try {
      const object = await client.get(resources[kind], namespace, name);
      if (isRolling(object, kind)) told.push(`a rollout of ${workload} is in progress`);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (!error.isNotFound) told.push(`${workload} could not be read: ${error.message}`);
    }
  });
  return told.sort();
}

function isWorkloadKind(kind: string): kind is WorkloadKind {
  return workloadKinds.some((each) => each === kind);
}
