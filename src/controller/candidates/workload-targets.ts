import { ANNOTATION_UNDO_PREFIX, LABEL_PART_OF, LABEL_PROTECTED, PART_OF } from '../../api/labels.js';
import { selectorText } from '../../api/selector.js';
import type { Targets } from '../../api/targets.js';
import type { Candidate } from '../../domain/observed.js';
import type { Reflector } from '../../kubernetes/reflector.js';
import type { Json, KubeObject } from '../../kubernetes/resource.js';
import { horizontalPodAutoscalers, isScaledBy, resources } from '../api-steps/objects.js';
import type { WatchOptions } from './watched-candidates.js';
import { WatchedCandidates } from './watched-candidates.js';

/** Which workloads are meant. */
type Workloads = NonNullable<Targets['workloads']>;
/** A kind of workloads. */
type WorkloadKind = Workloads['kind'];

/** Watches the workloads that one step's targets name, and what scales workloads of the namespace. */
export class WorkloadTargets extends WatchedCandidates<Candidate> {
  #autoscalers: Reflector<{ spec: Json }> | undefined;

  constructor(
    options: WatchOptions,
    readonly workloads: Workloads,
  ) {
    super(options);
  }

  /** The workloads as they are now; a change of autoscalers alone tells nobody. */
  override list(): Candidate[] | undefined {
    const scaled = this.#autoscalers?.list() ?? [];
    return super.list()?.map((candidate) => {
      const { name } = candidate;
      const isScaled = scaled.some(({ spec }) => isScaledBy({ kind: this.workloads.kind, name }, spec));
      return isScaled ? { ...candidate, autoscaled: true } : candidate;
    });
  }

  protected override async begin(): Promise<void> {
    const { kind, names, selector } = this.workloads;
    const { namespace } = this.options;
    const selections = names
      ? names.map((name) => ({ fieldSelector: `metadata.name=${name}` }))
      : [{ labelSelector: selectorText(selector ?? {}) }];
    for (const selection of selections)
      this.watchCandidates(resources[kind], { namespace, ...selection }, (object) => projectWorkload(object, kind));
    const scaleOf = ({ spec }: KubeObject) => ({ spec: { scaleTargetRef: spec?.scaleTargetRef } });
    // Nothing scales a DaemonSet.
    if (kind !== 'DaemonSet') this.#autoscalers = this.watchOthers(horizontalPodAutoscalers, { namespace }, scaleOf);
  }
}

/** Keeps of a workload what a draw looks at. */
export function projectWorkload({ metadata, spec, status }: KubeObject, kind: WorkloadKind): Candidate {
  const { name = '', namespace = '', labels = {}, annotations = {}, ownerReferences = [] } = metadata;
  const isInUse = Object.keys(annotations).some((key) => key.startsWith(ANNOTATION_UNDO_PREFIX));
  const podLabels = spec?.template?.metadata?.labels ?? {};
  const rolling = isRolling({ metadata, spec, status }, kind);
  const isOwned = ownerReferences.some(({ controller }) => controller);
  // What has the first says most of why it is left out.
  const obstacles = { unsuitable: isOwned, inUse: isInUse, rollingOut: rolling };
  const [obstacle] = (Object.keys(obstacles) as (keyof typeof obstacles)[]).filter((each) => obstacles[each]);
  return {
    kind,
    namespace,
    name,
    uid: metadata.uid ?? '',
    createdAt: Date.parse(metadata.creationTimestamp ?? ''),
    ready: !rolling && readyOf(kind, status) >= wantedOf(kind, { spec, status }),
    terminating: metadata.deletionTimestamp !== undefined,
    completed: false,
    protected:
      labels[LABEL_PROTECTED] === 'true' || podLabels[LABEL_PROTECTED] === 'true' || labels[LABEL_PART_OF] === PART_OF,
    managed: true,
    standIn: false,
    graceSeconds: 0,
    node: '',
    workload: `${kind}/${name}`,
    labels,
    ...(obstacle && { obstacle }),
    running: true,
    unreachable: false,
  };
}

/** How many pods a workload is to have. */
function wantedOf(kind: WorkloadKind, { spec, status }: Json): number {
  return kind === 'DaemonSet' ? (status?.desiredNumberScheduled ?? 0) : (spec?.replicas ?? 1);
}

function readyOf(kind: WorkloadKind, status: Json): number {
  return (kind === 'DaemonSet' ? status?.numberReady : status?.readyReplicas) ?? 0;
}

/** Whether pods are still to be exchanged for newer ones, or their number is not yet what it is to be. */
export function isRolling({ metadata, spec, status }: KubeObject, kind: WorkloadKind): boolean {
  if ((status?.observedGeneration ?? 0) < (metadata.generation ?? 0)) return true;
  const wanted = wantedOf(kind, { spec, status });
  switch (kind) {
    case 'Deployment':
      return (status?.updatedReplicas ?? 0) !== wanted || (status?.replicas ?? 0) !== wanted;
    case 'StatefulSet':
      return (status?.replicas ?? 0) !== wanted || isStatefulSetUpdating(spec, status, wanted);
    case 'DaemonSet':
      return isUpdatedByController(spec) && (status?.updatedNumberScheduled ?? 0) < wanted;
    case 'ReplicaSet':
      return (status?.replicas ?? 0) !== wanted;
  }
}

/** Pods below the partition are left as they are on purpose. */
function isStatefulSetUpdating(spec: Json, status: Json, wanted: number): boolean {
  if (!isUpdatedByController(spec) || status?.currentRevision === status?.updateRevision) return false;
  const partition: number = spec?.updateStrategy?.rollingUpdate?.partition ?? 0;
  return (status?.updatedReplicas ?? 0) < wanted - partition;
}

/** With `OnDelete` nobody but people exchanges pods. */
function isUpdatedByController(spec: Json): boolean {
  return spec?.updateStrategy?.type !== 'OnDelete';
}
