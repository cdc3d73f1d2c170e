import type { ExperimentRun } from '../api/experiment-run.js';
import {
  ANNOTATION_STAND_IN,
  FINALIZER,
  LABEL_EXPERIMENT,
  LABEL_PART_OF,
  LABEL_PROTECTED,
  PART_OF,
} from '../api/labels.js';
import { hasEnded } from '../domain/belief.js';
import type { Candidate } from '../domain/observed.js';
import { withCompanions } from '../faults/companions.js';
import type { Json, KubeObject } from '../kubernetes/resource.js';
import { sidecarRefusal } from './sidecar-refusal.js';

/** On the mirrors of static pods; see https://kubernetes.io/docs/reference/labels-annotations-taints/ */
const ANNOTATION_MIRROR = 'kubernetes.io/config.mirror';

/** On the pods of a Deployment; see https://kubernetes.io/docs/reference/labels-annotations-taints/ */
const LABEL_TEMPLATE_HASH = 'pod-template-hash';

/** What is kept of a pod: what a draw looks at, and who owns it. */
export interface KnownPod extends Candidate {
  ownerUid: string | undefined;
}

/** What is kept of a run that is over: enough to answer for its experiment. */
export interface FinishedRun {
  finished: true;
  uid: string;
  namespace: string;
  name: string;
  experiment: string | undefined;
  /** The UID of the object that owns it, if one does. */
  ownerUid?: string | undefined;
  trigger: ExperimentRun['spec']['trigger'];
  scheduledTime?: string | undefined;
  /** It is being deleted. */
  ending: boolean;
  verdict: string;
  reason: string;
  finishTime: string;
}

/** A run that still needs the controller, whole. */
export interface LiveRun {
  finished: false;
  uid: string;
  run: ExperimentRun;
}

/** Keeps of a pod what a draw looks at. `protectedNamespaces` are those no fault may reach. */
export function projectPod(object: KubeObject): KnownPod {
  const { metadata, spec, status } = object;
  const labels = metadata.labels ?? {};
  const owner = metadata.ownerReferences?.find(({ controller }) => controller);
  const conditions: Json[] = status?.conditions ?? [];
  const containers: Json[] = status?.containerStatuses ?? [];
  // A static pod has another UID on its node than its mirror has here, so that an agent could not find it.
  const isStatic = owner?.kind === 'Node' || metadata.annotations?.[ANNOTATION_MIRROR] !== undefined;
  const refusal = sidecarRefusal(object);
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name ?? '',
    uid: metadata.uid ?? '',
    createdAt: Date.parse(metadata.creationTimestamp ?? ''),
    ready: conditions.some(({ type, status: value }) => type === 'Ready' && value === 'True'),
    terminating: metadata.deletionTimestamp !== undefined,
    completed: status?.phase === 'Succeeded' || status?.phase === 'Failed',
    protected: labels[LABEL_PROTECTED] === 'true' || labels[LABEL_PART_OF] === PART_OF,
    // The pods of a DaemonSet and static pods (owned by their Node) are not replaced one for one by a controller.
    managed: owner !== undefined && owner.kind !== 'DaemonSet' && owner.kind !== 'Node',
    standIn: metadata.annotations?.[ANNOTATION_STAND_IN] === 'true',
    graceSeconds: metadata.deletionGracePeriodSeconds ?? spec?.terminationGracePeriodSeconds ?? 30,
    node: spec?.nodeName ?? '',
    running: containers.some(({ state }) => state?.running !== undefined),
    unreachable: spec?.hostNetwork === true || isStatic,
    labels,
    ...workloadOf(owner, labels),
    ...(refusal !== undefined && { sidecarRefusal: refusal }),
    ownerUid: owner?.uid,
  };
}

/**
 * The workload that a pod belongs to, by its owner: a ReplicaSet of a Deployment is named after it and the hash of the
 * template. Static pods belong to none.
 */
function workloadOf(
  owner: { kind: string; name: string } | undefined,
  labels: Readonly<Record<string, string>>,
): { workload?: string } {
  if (!owner || owner.kind === 'Node') return {};
  const suffix = `-${labels[LABEL_TEMPLATE_HASH] ?? ''}`;
  const isOfDeployment = owner.kind === 'ReplicaSet' && suffix.length > 1 && owner.name.endsWith(suffix);
  return {
    workload: isOfDeployment ? `Deployment/${owner.name.slice(0, -suffix.length)}` : `${owner.kind}/${owner.name}`,
  };
}

/** The run with a step for every fault that is put on; its template in the API server stays as people have written it. */
function composed(run: ExperimentRun): ExperimentRun {
  const { template } = run.spec;
  // A run of another version may have a method that this one can't read; that is found when it is checked.
  if (!Array.isArray(template?.method)) return run;
  return { ...run, spec: { ...run.spec, template: { ...template, method: withCompanions(template.method) } } };
}

/** Keeps a run whole while it needs the controller, and a line of it when it is over. */
export function projectRun(object: KubeObject): LiveRun | FinishedRun {
  const run = object as unknown as ExperimentRun;
  const { status } = run;
  const uid = object.metadata.uid ?? '';
  const isHeld = object.metadata.finalizers?.includes(FINALIZER);
  if (!status?.finishTime || isHeld || !hasEnded(run))
    return { finished: false, uid, run: composed(withoutManagedFields(object) as unknown as ExperimentRun) };
  return {
    finished: true,
    uid,
    namespace: object.metadata.namespace ?? '',
    name: object.metadata.name ?? '',
    experiment: object.metadata.labels?.[LABEL_EXPERIMENT],
    ownerUid: object.metadata.ownerReferences?.[0]?.uid,
    trigger: run.spec.trigger,
    scheduledTime: run.spec.scheduledTime,
    ending: object.metadata.deletionTimestamp !== undefined,
    verdict: status.verdict ?? '',
    reason: status.reason ?? '',
    finishTime: status.finishTime,
  };
}

/** Half of most objects in memory would be `managedFields`, which nothing here reads. */
export function withoutManagedFields<T extends KubeObject>(object: T): T {
  const { managedFields: _unused, ...metadata } = object.metadata as T['metadata'] & { managedFields?: unknown };
  return { ...object, metadata };
}
