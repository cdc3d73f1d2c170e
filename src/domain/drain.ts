/** What of a pod on a node decides whether a drain takes it away. */
export interface NodePod {
  namespace: string;
  name: string;
  uid: string;
  /** In milliseconds since the epoch, in API-server time; whole seconds. */
  createdAt: number;
  ready: boolean;
  terminating: boolean;
  /** Its phase is Succeeded or Failed. */
  completed: boolean;
  /** The mirror of a static pod, which only its node can end. */
  mirror: boolean;
  /** It has an emptyDir, whose data is lost with it. */
  emptyDir: boolean;
  /** Its controller; undefined: none, so that nothing replaces it. */
  controller?: { kind: string; name: string };
  /** It must never be hit. */
  protected: boolean;
}

/** What a drain may take away. */
export interface DrainSettings {
  /** Also pods that nothing replaces. */
  unmanaged: boolean;
  /** Also pods with an emptyDir. */
  emptyDirData: boolean;
  /** `namespace/name` of the DaemonSets that are there; one that has gone leaves its pods to nobody. */
  daemonSets: ReadonlySet<string>;
}

/** What becomes of the pods of a node. */
export interface DrainPlan<P extends NodePod> {
  /** Those that go, among them those that are on their way out. */
  going: P[];
  /** Those that would go, and are left because they are protected. */
  spared: P[];
  /** Why nothing of the node may be touched, in words that name pods and what would allow it. */
  refusal?: string;
}

const MAX_NAMED = 3;

type Fate = 'goes' | 'stays' | 'spared' | 'orphaned' | 'unmanaged' | 'emptyDir';

/**
 * Which pods of a node a drain takes away: as `kubectl drain --ignore-daemonsets` selects them, and never what is
 * protected. As with kubectl, one pod that may not go refuses the whole drain.
 */
export function planDrain<P extends NodePod>(pods: readonly P[], settings: DrainSettings): DrainPlan<P> {
  const by = (wanted: Fate) => pods.filter((pod) => fateOf(pod, settings) === wanted);
  const refusals = [
    refusalOf(by('orphaned'), 'whose DaemonSet is gone', 'unmanaged'),
    refusalOf(by('unmanaged'), 'without a controller that replaces them', 'unmanaged'),
    refusalOf(by('emptyDir'), 'with an emptyDir, whose data would be lost', 'emptyDirData'),
  ].filter((refusal) => refusal !== undefined);
  const plan = { going: by('goes'), spared: by('spared') };
  return refusals.length > 0 ? { ...plan, refusal: refusals.join('; ') } : plan;
}

/** See filters.go of k8s.io/kubectl/pkg/drain, whose order this keeps. */
function fateOf(pod: NodePod, settings: DrainSettings): Fate {
  if (pod.mirror) return 'stays';
  if (isOfDaemonSet(pod, settings) && !pod.completed) return 'stays';
  if (pod.protected) return 'spared';
  if (pod.completed) return 'goes';
  if (pod.controller?.kind === 'DaemonSet' && !settings.unmanaged) return 'orphaned';
  if (pod.emptyDir && !settings.emptyDirData) return 'emptyDir';
  return pod.controller || settings.unmanaged ? 'goes' : 'unmanaged';
}

/** The DaemonSet that a pod says it belongs to, as `namespace/name`. */
export function daemonSetOf({ namespace, controller }: NodePod): string | undefined {
  return controller?.kind === 'DaemonSet' ? `${namespace}/${controller.name}` : undefined;
}

function isOfDaemonSet(pod: NodePod, { daemonSets }: DrainSettings): boolean {
  const owner = daemonSetOf(pod);
  return owner !== undefined && daemonSets.has(owner);
}

function refusalOf(pods: readonly NodePod[], what: string, field: 'unmanaged' | 'emptyDirData'): string | undefined {
  if (pods.length === 0) return undefined;
  const names = pods.slice(0, MAX_NAMED).map(({ namespace, name }) => `${namespace}/${name}`);
  const more = pods.length > MAX_NAMED ? ` and ${pods.length - MAX_NAMED} more` : '';
  const many = pods.length === 1 ? 'a pod' : `${pods.length} pods`;
  return `it has ${many} ${what}: ${names.join(', ')}${more}; \`${field}: true\` would allow that`;
}
