import type { ObjectRef } from '../../faults/step.js';
import type { Client } from '../../kubernetes/client.js';
import {
  daemonSets,
  deployments,
  type Json,
  type KubeObject,
  nodes,
  type Resource,
  replicaSets,
  statefulSets,
} from '../../kubernetes/resource.js';
import { present } from './outcome.js';

/** `autoscaling/v2` HorizontalPodAutoscaler. */
export const horizontalPodAutoscalers: Resource = {
  group: 'autoscaling',
  version: 'v2',
  plural: 'horizontalpodautoscalers',
  kind: 'HorizontalPodAutoscaler',
  namespaced: true,
};

/** Where the objects that steps change are served. */
export const resources: Readonly<Record<ObjectRef['kind'], Resource>> = {
  Node: nodes,
  Deployment: deployments,
  StatefulSet: statefulSets,
  DaemonSet: daemonSets,
  ReplicaSet: replicaSets,
  HorizontalPodAutoscaler: horizontalPodAutoscalers,
};

/** Reads an object; undefined when it is gone, also when another one has its name by now. */
export async function readObject(
  client: Client,
  { kind, namespace, name, uid }: ObjectRef,
): Promise<KubeObject | undefined> {
  const object = await present(client.get(resources[kind], namespace || undefined, name));
  return uid !== undefined && object?.metadata.uid !== uid ? undefined : object;
}

/** The autoscaler that scales a workload; undefined: none does. */
export async function autoscalerOf(client: Client, workload: ObjectRef): Promise<KubeObject | undefined> {
  for await (const { items } of client.listAll(horizontalPodAutoscalers, { namespace: workload.namespace })) {
    const found = items.find(({ spec }) => isScaledBy(workload, spec));
    if (found) return found;
  }
  return undefined;
}

/** Whether an autoscaler with this spec scales a workload. */
export function isScaledBy({ kind, name }: { kind: string; name: string }, spec: Json): boolean {
  const { apiVersion = 'apps/v1', kind: scaled, name: scaledName } = spec?.scaleTargetRef ?? {};
  return scaled === kind && scaledName === name && apiVersion.startsWith('apps/');
}
