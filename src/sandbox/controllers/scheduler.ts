import { equalJson } from '../json.js';
import type { KubeObject } from '../store/types.js';
import type { ControllerContext } from './context.js';
import type { Controller } from './controller.js';
import { conditionOf, controllerOf, isFinished, isTerminating, keyOf, setCondition, splitKey } from './objects.js';
import {
  addPod,
  capacityOf,
  createUsage,
  fits,
  type NodeUsage,
  podRequests,
  removePod,
} from './scheduler-resources.js';
import { nodeRefusal, unwelcome } from './scheduler-rules.js';
import { topologyRules } from './scheduler-topology.js';

/** As many nodes as are compared for one pod, once so many would take it (like `percentageOfNodesToScore`). */
const enoughCandidates = 100;

/** The pods that are this scheduler's: those of another one wait for it. */
const schedulerName = 'default-scheduler';

/** Binds each pod to a node that may and can take it: the one with the fewest of its siblings, then the least loaded. */
export function schedulerController(context: ControllerContext): Controller & { stop(): void } {
  const { store, recorder: recorderOf } = context;
  const recorder = recorderOf(schedulerName);
  const usage = new Map<string, NodeUsage>();
  const waiting = new Set<string>();
  let start = 0;

  const usageOf = (node: string): NodeUsage => {
    const known = usage.get(node) ?? createUsage();
    usage.set(node, known);
    return known;
  };
  const occupies = (pod: KubeObject | undefined) => pod?.spec.nodeName && !isFinished(pod);
  const track = (pod: KubeObject, previous: KubeObject | undefined, deleted: boolean): void => {
    if (occupies(previous) && (deleted || !occupies(pod))) {
      removePod(usageOf(previous!.spec.nodeName), previous!);
    } else if (occupies(pod) && !occupies(previous) && !deleted) {
      addPod(usageOf(pod.spec.nodeName), pod);
    }
  };
  for (const pod of store.list('pods')) {
    track(pod, undefined, false);
  }
  const stop = store.subscribe('pods', ({ type, object, previous }) => track(object, previous, type === 'DELETED'));

  function reconcile(key: string): undefined {
    const [namespace, name] = splitKey(key);
    const pod = store.get('pods', namespace, name);
    waiting.delete(key);
    if (pod === undefined || pod.spec.nodeName || isTerminating(pod) || pod.spec.schedulerName !== schedulerName) {
      return;
    }
    const { candidates, refusals } = findCandidates(pod);
    const best = candidates.sort((left, right) => score(pod, left) - score(pod, right))[0];
    if (best === undefined) {
      waiting.add(key);
      reportUnschedulable(pod, refusals);
    } else {
      bind(pod, best.metadata.name);
    }
  }

  function findCandidates(pod: KubeObject): { candidates: KubeObject[]; refusals: Map<string, number> } {
    const nodes = store.list('nodes');
    const requests = podRequests(pod);
    const topology = topologyRules(context, pod);
    const refuse = (node: KubeObject): string | undefined =>
      nodeRefusal(node, pod) ??
      fits(node, usageOf(node.metadata.name), requests) ??
      topology.map((rule) => rule(node)).find((refusal) => refusal !== undefined);
    const candidates: KubeObject[] = [];
    const refusals = new Map<string, number>();
    for (let count = 0; count < nodes.length && candidates.length < enoughCandidates; count += 1) {
      const node = nodes[(start + count) % nodes.length]!;
      const refusal = refuse(node);
      if (refusal === undefined) {
        candidates.push(node);
      } else {
        refusals.set(refusal, (refusals.get(refusal) ?? 0) + 1);
      }
    }
    start += 1;
    return { candidates, refusals };
  }

  function score(pod: KubeObject, node: KubeObject): number {
    const { siblings, cpu, memory, pods } = usageOf(node.metadata.name);
    const mine = siblings.get(controllerOf(pod)?.uid ?? '') ?? 0;
    const capacity = capacityOf(node);
    return (
      unwelcome(node, pod) * 1_000_000 +
      mine * 1_000 +
      (cpu / capacity.cpu) * 10 +
      (memory / capacity.memory) * 10 +
      pods / 1_000
    );
  }

  function bind(pod: KubeObject, node: string): void {
    const { namespace, name } = pod.metadata;
    const bound = store.update('pods', namespace, name, (draft) => {
      draft.spec.nodeName = node;
      setCondition(draft.status, { type: 'PodScheduled', status: 'True' });
    });
    recorder.normal(bound, 'Scheduled', `Successfully assigned ${namespace}/${name} to ${node}`);
  }

  function reportUnschedulable(pod: KubeObject, refusals: Map<string, number>): void {
    const total = store.list('nodes').length;
    const reasons = [...refusals].sort().map(([reason, count]) => `${count} ${reason}`);
    const message = `0/${total} nodes are available: ${reasons.join(', ') || 'there is no node'}.`;
    if (conditionOf(pod, 'PodScheduled')?.message === message) {
      return;
    }
    store.update('pods', pod.metadata.namespace, pod.metadata.name, (draft) => {
      setCondition(draft.status, { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message });
    });
    recorder.warning(pod, 'FailedScheduling', message);
  }

  return {
    watches: {
      pods: (pod, { type, previous }) => {
        if (type === 'DELETED' || (isFinished(pod) && previous !== undefined && !isFinished(previous))) {
          return waiting;
        }
        return pod.spec.nodeName ? [] : [keyOf(pod)];
      },
      // Heartbeats change a node's status every few seconds and make no room.
      nodes: (node, { previous }) => (previous !== undefined && sameRoom(previous, node) ? [] : waiting),
    },
    reconcile,
    stop,
  };
}

function sameRoom(left: KubeObject, right: KubeObject): boolean {
  return (
    equalJson(left.spec, right.spec) &&
    equalJson(left.metadata.labels, right.metadata.labels) &&
    equalJson(left.status?.allocatable, right.status?.allocatable)
  );
}
