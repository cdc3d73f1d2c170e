import type { Attempt } from '../../domain/injection-observed.js';
import type { ObjectRef } from '../../faults/step.js';
import type { Client } from '../../kubernetes/client.js';
import { ApiError } from '../../kubernetes/errors.js';
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
import { outcomeOf, present } from './outcome.js';

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

/** Other writers, such as a kubelet that reports its node, come between a read and a write this often at most. */
const TRIES = 5;

/**
 * Does something to an object as it is now, and again when somebody else has written it meanwhile.
 *
 * @throws what `outcomeOf` throws
 */
export async function changeObject(
  client: Client,
  ref: ObjectRef,
  attempt: (object: KubeObject) => Promise<Attempt>,
): Promise<Attempt> {
  for (let tries = 1; ; tries += 1) {
    try {
      const object = await readObject(client, ref);
      return object ? await attempt(object) : { result: 'gone' };
    } catch (error) {
      const isRace = error instanceof ApiError && error.isConflict;
      if (!isRace || tries === TRIES) return outcomeOf(error);
    }
  }
}

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
