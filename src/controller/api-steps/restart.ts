import type { Attempt } from '../../domain/injection-observed.js';
import type { SetFields } from '../../faults/step.js';
import type { KubeObject } from '../../kubernetes/resource.js';
import type { Inspection, Surroundings } from './handler.js';
import { patchOf, valueAt } from './json-path.js';
import { changeObject, readObject, resources } from './objects.js';

/** What `kubectl rollout restart` sets. */
const RESTARTED_AT = ['spec', 'template', 'metadata', 'annotations', 'kubectl.kubernetes.io/restartedAt'];

const LOOK_MILLISECONDS = 500;

/** The time of the injection, and in its fraction what tells it from others of the same second (RFC 3339). */
function restartTime({ injection, mark }: Surroundings): string {
  const fraction = String(Number.parseInt(mark, 16) % 1_000_000_000).padStart(9, '0');
  const made = injection.metadata.creationTimestamp ?? new Date(0).toISOString();
  return `${made.slice(0, 'YYYY-MM-DDThh:mm:ss'.length)}.${fraction}Z`;
}

/** Has a workload make all its pods anew, once: a second time the same is there already. */
export async function restart({ object: ref }: SetFields, where: Surroundings): Promise<Attempt> {
  const { client } = where;
  const time = restartTime(where);
  return changeObject(client, ref, async (object) => {
    if (valueAt(object, RESTARTED_AT) === time) return { result: 'done' };
    if (object.spec?.paused === true) {
      const message = `${ref.kind} ${ref.name} is paused, so that no rollout would follow; resume it first`;
      return { result: 'refused', message };
    }
    const patch = patchOf(object, [() => [[RESTARTED_AT, time]]]);
    const { resourceVersion } = object.metadata;
    const options = { resourceVersion, repeat: false, permit: () => where.permit() };
    await client.patch(resources[ref.kind], ref.namespace, ref.name, patch, options);
    return { result: 'done' };
  });
}

/** Whether the restart was asked for and still is the newest, and its controller has made the first pods anew. */
export async function inspectRestart({ object: ref }: SetFields, where: Surroundings): Promise<Inspection> {
  const object = await readObject(where.client, ref);
  if (!object) return { gone: true, on: false, effective: false };
  const on = valueAt(object, RESTARTED_AT) === restartTime(where);
  return { on, effective: on && hasNewPods(object), after: LOOK_MILLISECONDS };
}

function hasNewPods({ metadata, status }: KubeObject): boolean {
  const isSeen = (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0);
  return isSeen && (status?.updatedReplicas ?? status?.updatedNumberScheduled ?? 0) > 0;
}
