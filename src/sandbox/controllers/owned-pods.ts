import type { Json, KubeObject, ObjectMeta, Store } from '../store/types.js';
import { type ControllerContext, orphanKey } from './context.js';
import type { EventRecorder } from './events.js';
import { availableIn, controllerReference, isActive, isReady, isTerminating } from './objects.js';
import { matchesSelector } from './selectors.js';

/**
 * The pods a controller owns, after it has taken in the pods of its namespace that match its selector and belong to
 * nobody, and has let go of its own that no longer match.
 */
export function claimPods(context: ControllerContext, owner: KubeObject): KubeObject[] {
  const claimed: KubeObject[] = [];
  for (const pod of context.podsByController.get(owner.metadata.uid).values()) {
    if (matchesSelector(owner.spec.selector, pod.metadata.labels) || isTerminating(pod)) {
      claimed.push(pod);
    } else {
      context.store.update('pods', pod.metadata.namespace, pod.metadata.name, (draft) => {
        draft.metadata.ownerReferences = draft.metadata.ownerReferences?.filter(
          ({ uid }) => uid !== owner.metadata.uid,
        );
      });
    }
  }
  for (const pod of [...context.podsByController.get(orphanKey(owner.metadata.namespace ?? '')).values()]) {
    if (isActive(pod) && matchesSelector(owner.spec.selector, pod.metadata.labels)) {
      claimed.push(adopt(context.store, owner, pod));
    }
  }
  return claimed;
}

function adopt(store: Store, owner: KubeObject, pod: KubeObject): KubeObject {
  return store.update('pods', pod.metadata.namespace, pod.metadata.name, (draft) => {
    draft.metadata.ownerReferences = [...(draft.metadata.ownerReferences ?? []), controllerReference(owner)];
  });
}

/** A pod from a template, managed by `owner`; `overrides` go over the template's metadata and spec. */
export function createPod(
  store: Store,
  recorder: EventRecorder,
  owner: KubeObject,
  overrides: { metadata?: Partial<ObjectMeta>; spec?: Json; template?: Json } = {},
): KubeObject {
  const template = overrides.template ?? owner.spec.template;
  try {
    const pod = store.create('pods', {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        ...(overrides.metadata?.name === undefined ? { generateName: `${owner.metadata.name}-` } : {}),
        ...overrides.metadata,
        namespace: owner.metadata.namespace,
        labels: { ...template.metadata?.labels, ...overrides.metadata?.labels },
        annotations: template.metadata?.annotations,
        ownerReferences: [controllerReference(owner)],
      },
      spec: { ...template.spec, ...overrides.spec },
      status: { phase: 'Pending' },
    });
    recorder.normal(owner, 'SuccessfulCreate', `Created pod: ${pod.metadata.name}`);
    return pod;
  } catch (error) {
    recorder.warning(owner, 'FailedCreate', `Error creating: ${(error as Error).message}`);
    throw error;
  }
}

/** Deletes a pod of `owner`, and only the very pod that was looked at. */
export function deletePod(store: Store, recorder: EventRecorder, owner: KubeObject, pod: KubeObject): void {
  const { namespace, name, uid } = pod.metadata;
  if (store.get('pods', namespace, name)?.metadata.uid !== uid) {
    return;
  }
  store.delete('pods', namespace, name, { preconditions: { uid } });
  recorder.normal(owner, 'SuccessfulDelete', `Deleted pod: ${name}`);
}

/** Orders pods by how little is lost with them: unassigned, not running, not ready, ready for less long, younger. */
export function compareForDeletion(left: KubeObject, right: KubeObject): number {
  return (
    rank(left) - rank(right) ||
    readySince(right) - readySince(left) ||
    restarts(right) - restarts(left) ||
    Date.parse(right.metadata.creationTimestamp) - Date.parse(left.metadata.creationTimestamp) ||
    Number(right.metadata.resourceVersion) - Number(left.metadata.resourceVersion)
  );
}

function rank(pod: KubeObject): number {
  if (!pod.spec.nodeName) {
    return 0;
  }
  if (pod.status?.phase !== 'Running') {
    return 1;
  }
  return isReady(pod) ? 3 : 2;
}

function readySince(pod: KubeObject): number {
  const ready = pod.status?.conditions?.find((condition: Json) => condition.type === 'Ready');
  return ready?.status === 'True' ? Date.parse(ready.lastTransitionTime) : 0;
}

function restarts(pod: KubeObject): number {
  return Math.max(0, ...(pod.status?.containerStatuses ?? []).map((status: Json) => status.restartCount ?? 0));
}

/** How many of the pods are Ready, how many have been so for `minReadySeconds`, and when the next one will have been. */
export function countReady(pods: readonly KubeObject[], minReadySeconds = 0) {
  let ready = 0;
  let available = 0;
  let wakeMilliseconds: number | undefined;
  for (const pod of pods) {
    const wait = availableIn(pod, minReadySeconds);
    if (wait === undefined) {
      continue;
    }
    ready += 1;
    if (wait === 0) {
      available += 1;
    } else {
      wakeMilliseconds = Math.min(wait, wakeMilliseconds ?? wait);
    }
  }
  return { ready, available, wakeMilliseconds };
}
