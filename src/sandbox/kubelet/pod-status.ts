import { type ConditionUpdate, conditionOf, setCondition } from '../controllers/objects.js';
import { cloneJson } from '../json.js';
import type { Json, KubeObject } from '../store/types.js';
import type { PodPlace } from './environment.js';

const maxMessageBytes = 12_288;

/** What the kubelet knows of a pod that its status has to tell. */
export interface PodFacts {
  place: PodPlace;
  startTime: string;
  initialized: boolean;
  /** Statuses of containers, in the order of the spec. */
  initContainers: Json[];
  containers: Json[];
  ephemeralContainers: Json[];
  /** Set when no container will run again. */
  outcome: 'Succeeded' | 'Failed' | undefined;
}

/** The pod's new status; conditions of others, such as readiness gates, stay as they are. */
export function podStatus(pod: KubeObject, facts: PodFacts): Json {
  const status = cloneJson(pod.status ?? {});
  const { place, outcome } = facts;
  Object.assign(status, {
    phase: outcome ?? phaseOf(facts),
    hostIP: place.hostIP,
    hostIPs: [{ ip: place.hostIP }],
    podIP: place.podIPs[0],
    podIPs: place.podIPs.length > 0 ? place.podIPs.map((ip) => ({ ip })) : undefined,
    startTime: facts.startTime,
    containerStatuses: facts.containers,
    initContainerStatuses: facts.initContainers.length > 0 ? facts.initContainers : undefined,
    ephemeralContainerStatuses: facts.ephemeralContainers.length > 0 ? facts.ephemeralContainers : undefined,
  });
  shareMessages([...facts.containers, ...facts.initContainers, ...facts.ephemeralContainers]);
  for (const condition of conditionsOf(pod, facts)) {
    setCondition(status, condition);
  }
  return status;
}

/** All termination messages of a pod together have 12 KiB, an equal part for each container (k8s `normalizeStatus`). */
function shareMessages(statuses: Json[]): void {
  const most = Math.floor(maxMessageBytes / statuses.length);
  for (const { state, lastState } of statuses) {
    for (const terminated of [state.terminated, lastState.terminated]) {
      if (terminated?.message !== undefined) {
        terminated.message = Buffer.from(terminated.message).subarray(0, most).toString('utf8');
      }
    }
  }
}

function phaseOf({ initialized, containers }: PodFacts): string {
  const begun = containers.every(({ state, lastState }) => state.running || state.terminated || lastState.terminated);
  return initialized && begun ? 'Running' : 'Pending';
}

function conditionsOf(pod: KubeObject, facts: PodFacts): ConditionUpdate[] {
  const containersReady = readinessOf(facts);
  const gates: string[] = (pod.spec.readinessGates ?? []).map((gate: Json) => gate.conditionType);
  const closed = gates.filter((type) => conditionOf(pod, type)?.status !== 'True');
  const ready: ConditionUpdate =
    containersReady.status === 'True' && closed.length > 0
      ? { type: 'Ready', status: 'False', reason: 'ReadinessGatesNotReady', message: closed.join(', ') }
      : { ...containersReady, type: 'Ready' };
  return [
    { type: 'PodReadyToStartContainers', status: facts.place.podIPs.length > 0 ? 'True' : 'False' },
    facts.initialized
      ? { type: 'Initialized', status: 'True', reason: facts.outcome === 'Succeeded' ? 'PodCompleted' : undefined }
      : { type: 'Initialized', status: 'False', reason: 'ContainersNotInitialized' },
    { type: 'PodScheduled', status: 'True' },
    containersReady,
    ready,
  ];
}

function readinessOf({ outcome, containers }: PodFacts): ConditionUpdate {
  const type = 'ContainersReady';
  if (outcome !== undefined) {
    return { type, status: 'False', reason: outcome === 'Succeeded' ? 'PodCompleted' : 'PodFailed' };
  }
  const unready: string[] = containers.filter((status) => !status.ready).map((status) => status.name);
  if (unready.length === 0) {
    return { type, status: 'True' };
  }
  const message = `containers with unready status: [${unready.join(' ')}]`;
  return { type, status: 'False', reason: 'ContainersNotReady', message };
}
