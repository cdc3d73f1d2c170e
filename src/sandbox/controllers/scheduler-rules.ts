import type { Json, KubeObject } from '../store/types.js';
import { matchesExpression } from './selectors.js';

const unschedulableTaint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

/** Why a pod may not go to a node, in the words of the real scheduler; undefined when it may. */
export function nodeRefusal(node: KubeObject, pod: KubeObject): string | undefined {
  if (node.spec?.unschedulable && !tolerates(pod, unschedulableTaint)) {
    return 'node(s) were unschedulable';
  }
  const taint = untolerated(node, pod);
  if (taint !== undefined) {
    return `node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`;
  }
  return matchesNode(node, pod) ? undefined : "node(s) didn't match Pod's node affinity/selector";
}

/** The first taint that keeps the pod off the node; undefined when there is none. */
export function untolerated(node: KubeObject, pod: KubeObject): Json {
  return (node.spec?.taints ?? []).find(
    (taint: Json) => ['NoSchedule', 'NoExecute'].includes(taint.effect) && !tolerates(pod, taint),
  );
}

/** How many taints ask for the pod to be elsewhere if there is room. */
export function unwelcome(node: KubeObject, pod: KubeObject): number {
  return (node.spec?.taints ?? []).filter(
    (taint: Json) => taint.effect === 'PreferNoSchedule' && !tolerates(pod, taint),
  ).length;
}

/** Whether one of the pod's tolerations covers the taint. */
export function tolerates(pod: KubeObject, taint: Json): boolean {
  return tolerationsFor(pod, taint).length > 0;
}

/** The pod's tolerations that cover the taint (core/v1 `Toleration`: an empty key or effect covers all). */
export function tolerationsFor(pod: KubeObject, taint: Json): Json[] {
  return (pod.spec.tolerations ?? []).filter((toleration: Json) => {
    const sameKey = !toleration.key || toleration.key === taint.key;
    const sameEffect = !toleration.effect || toleration.effect === taint.effect;
    const sameValue = toleration.operator === 'Exists' || (toleration.value ?? '') === (taint.value ?? '');
    return sameKey && sameEffect && sameValue && (toleration.key || toleration.operator === 'Exists');
  });
}

/** Whether the pod's nodeSelector and its required node affinity allow the node. */
export function matchesNode(node: KubeObject, pod: KubeObject): boolean {
  const labels = node.metadata.labels ?? {};
  const selected = Object.entries(pod.spec.nodeSelector ?? {}).every(([key, value]) => labels[key] === value);
  const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return (
    selected && (required === undefined || required.nodeSelectorTerms.some((term: Json) => matchesTerm(node, term)))
  );
}

function matchesTerm(node: KubeObject, { matchExpressions = [], matchFields = [] }: Json): boolean {
  const fields = { 'metadata.name': node.metadata.name };
  return (
    matchExpressions.length + matchFields.length > 0 &&
    matchExpressions.every((expression: Json) => matchesExpression(expression, node.metadata.labels)) &&
    matchFields.every((expression: Json) => matchesExpression(expression, fields))
  );
}
