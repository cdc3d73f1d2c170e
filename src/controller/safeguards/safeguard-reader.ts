import type { ExperimentRun } from '../../api/experiment-run.js';
import type { StepSafeguards } from '../../api/safeguards.js';
import { targetKindOf } from '../../api/targets.js';
import { dependOnCluster } from '../../domain/safeguards/bounds.js';
import { workloadKey, workloadOf } from '../../domain/safeguards/pods-hit.js';
import type { NamedPolicy, Survey } from '../../domain/survey.js';
import { ApiError } from '../../kubernetes/errors.js';
import { inParallel } from '../../kubernetes/parallel.js';
import {
  daemonSets,
  deployments,
  namespaces,
  nodes,
  podDisruptionBudgets,
  pods,
  type Resource,
  replicaSets,
  statefulSets,
} from '../../kubernetes/resource.js';
import type { Context } from '../context.js';
import { factsOf } from '../gather.js';
import { policiesOf } from './protection.js';
import { disruptionBudget, type LabelledPod, replicasOf, surveyedPod, workloadFacts } from './safeguard-facts.js';

/** See https://kubernetes.io/docs/reference/labels-annotations-taints/ */
const LABEL_ZONE = 'topology.kubernetes.io/zone';
/** How long the candidates of a run may take to be known; the look fails after that and is taken again. */
const CANDIDATES_MILLISECONDS = 10_000;
const CANDIDATES_EVERY_MILLISECONDS = 20;
const READS_AT_ONCE = 8;

const workloads: Record<string, Resource> = {
  Deployment: deployments,
  StatefulSet: statefulSets,
  DaemonSet: daemonSets,
  ReplicaSet: replicaSets,
};

type Read = Omit<Survey, 'at' | 'missing'>;

/** What safeguards depend on, of which only that is read which those of the run and the policies ask for. */
export async function readSafeguards(context: Context, run: ExperimentRun): Promise<Read> {
  const { namespace = '' } = run.metadata;
  const policies = policiesOf(context);
  const needs = needsOf(run, policies);
  const [namespaceLabels, zones, counted] = await Promise.all([
    readNamespaceLabels(context, namespace),
    needs.zones ? readZones(context) : new Map<string, string>(),
    needs.pods ? readPods(context, run, needs) : { disruptionBudgets: [], workloads: [], pods: [] },
  ]);
  const lacks = (['pods', 'zones'] as const).filter((part) => !needs[part]);
  return { policies, namespaceLabels, zones, lacks, ...counted };
}

/** What has to be read. */
interface Needs {
  /** Pods, workloads and disruption budgets. */
  pods: boolean;
  /** How many pods workloads are meant to have. */
  replicas: boolean;
  zones: boolean;
  /** Pods are lost in all namespaces, with the nodes they are on. */
  everywhere: boolean;
}

function needsOf({ spec }: ExperimentRun, policies: readonly NamedPolicy[]): Needs {
  const { method, safeguards } = spec.template;
  const all: StepSafeguards[] = [
    safeguards,
    ...method.map((step) => step.safeguards),
    ...policies.map((each) => each.spec.safeguards),
  ].filter((each) => each !== undefined);
  const facts = method.map(factsOf);
  const isOfNodes = method.some(
    (step) => targetKindOf(step.targets) === 'nodes' || targetKindOf(step.targets) === 'zones',
  );
  return {
    pods: all.some(dependOnCluster),
    replicas:
      all.some(({ maxPercentOfWorkload }) => maxPercentOfWorkload !== undefined) ||
      facts.some(({ scalesTo }) => scalesTo),
    zones: policies.some((each) => each.spec.budgets?.some(({ per }) => per === 'Zone')),
    everywhere: isOfNodes && facts.some(({ disrupts, evicts }) => disrupts || evicts),
  };
}

async function readNamespaceLabels({ client }: Context, name: string): Promise<Record<string, string>> {
  const { metadata } = await client.get(namespaces, undefined, name);
  return metadata.labels ?? {};
}

async function readZones({ client }: Context): Promise<Map<string, string>> {
  const zones = new Map<string, string>();
  for await (const { items } of client.listAll(nodes, { labelSelector: LABEL_ZONE })) {
    for (const { metadata } of items) zones.set(metadata.name ?? '', metadata.labels?.[LABEL_ZONE] ?? '');
  }
  return zones;
}

async function readPods(
  context: Context,
  run: ExperimentRun,
  { replicas, everywhere }: Needs,
): Promise<Pick<Read, 'disruptionBudgets' | 'workloads' | 'pods'>> {
  const where = everywhere ? {} : { namespace: run.metadata.namespace };
  const [listed, disruptionBudgets] = await Promise.all([listPods(context, where), listBudgets(context, where)]);
  const concerned = await ofCandidates(context, run, listed);
  const counts = replicas ? await readReplicas(context, concerned) : new Map<string, number>();
  return {
    disruptionBudgets: disruptionBudgets.map((budget) => disruptionBudget(budget, listed)),
    workloads: workloadFacts(concerned, counts),
    pods: concerned,
  };
}

async function listPods({ client }: Context, where: { namespace?: string | undefined }): Promise<LabelledPod[]> {
  const found: LabelledPod[] = [];
  for await (const { items, restarted } of client.listAll(pods, where)) {
    if (restarted) found.length = 0;
    for (const item of items) found.push(...[surveyedPod(item)].filter((pod) => pod !== undefined));
  }
  return found;
}

async function listBudgets({ client }: Context, where: { namespace?: string | undefined }) {
  const found = [];
  for await (const { items, restarted } of client.listAll(podDisruptionBudgets, where)) {
    if (restarted) found.length = 0;
    found.push(...items);
  }
  return found;
}

/** The candidates of the run, what is on them where they are nodes, and all pods of the workloads these belong to. */
async function ofCandidates(context: Context, run: ExperimentRun, listed: LabelledPod[]): Promise<LabelledPod[]> {
  const candidates = await awaitCandidates(context, run.metadata.uid);
  const uids = new Set(candidates.map(({ uid }) => uid));
  const hosts = new Set(candidates.flatMap(({ kind, name }) => (kind === 'Node' ? [name] : [])));
  const keys = new Set(candidates.map((each) => keyOfWorkload(each.namespace, workloadOf(each))));
  const isNamed = ({ uid, node }: LabelledPod) => uids.has(uid) || hosts.has(node);
  for (const pod of listed) if (isNamed(pod)) keys.add(keyOfWorkload(pod.namespace, pod.workload));
  keys.delete(undefined);
  return listed.filter((pod) => isNamed(pod) || keys.has(keyOfWorkload(pod.namespace, pod.workload)));
}

function keyOfWorkload(namespace: string, workload: string | undefined): string | undefined {
  return workload === undefined ? undefined : workloadKey(namespace, workload);
}

async function awaitCandidates({ targets }: Context, runUid: string) {
  const deadline = performance.now() + CANDIDATES_MILLISECONDS;
  for (;;) {
    const known = targets.candidates(runUid);
    if (known) return Object.values(known).flat();
    if (performance.now() > deadline) throw new Error('the targets of the run are not known yet');
    await new Promise((resolve) => setTimeout(resolve, CANDIDATES_EVERY_MILLISECONDS));
  }
}

/** Of those that are gone, and those of unknown kinds, nothing. */
async function readReplicas({ client }: Context, concerned: readonly LabelledPod[]): Promise<Map<string, number>> {
  const wanted = new Map<string, { namespace: string; workload: string }>();
  for (const { namespace, workload } of concerned)
    if (workload !== undefined) wanted.set(workloadKey(namespace, workload), { namespace, workload });
  const found = new Map<string, number>();
  await inParallel(READS_AT_ONCE, [...wanted], async ([key, { namespace, workload }]) => {
    const [kind = '', name = ''] = workload.split('/');
    const resource = workloads[kind];
    if (!resource) return;
    const object = await client.get(resource, namespace, name).catch((error: unknown) => {
      if (error instanceof ApiError && error.isNotFound) return undefined;
      throw error;
    });
    if (object) found.set(key, replicasOf(object));
  });
  return found;
}
