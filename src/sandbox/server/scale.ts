import { badRequest, invalid } from '../api-error.js';
import { isRecord } from '../json.js';
import { qualifiedKind, type ScalePaths } from '../resources/resource-type.js';
import { checkShape } from '../resources/shape.js';
import type { Json, KubeObject } from '../store/types.js';
import { compileJsonPath } from '../table/json-path.js';
import { refuseInvalid } from './admission.js';
import { asServed, namespaceOf, type ResourceCall, sendJson } from './context.js';
import { isDryRun } from './query.js';
import { requireObject } from './read.js';
import { readObject } from './request.js';
import { type Change, readPatch } from './write.js';

/** GET, PUT and PATCH of `/scale`. */
export async function handleScale(call: ResourceCall): Promise<void> {
  const { request, response } = call;
  if (request.method === 'GET') {
    sendJson(response, 200, scaleOf(call, requireObject(call)));
    return;
  }
  const change = await readChange(call);
  sendJson(response, 200, scaleOf(call, writeScale(call, change)));
}

async function readChange(call: ResourceCall): Promise<Change> {
  if (call.request.method === 'PATCH') {
    return readPatch(call, 'Scale');
  }
  const body = await readObject(call.request);
  return () => body;
}

function writeScale(call: ResourceCall, change: Change): KubeObject {
  const { context, type, target, query } = call;
  return context.store.update(
    type.resource,
    namespaceOf(call),
    target.name!,
    (draft) => {
      const scale = change(scaleOf(call, draft));
      const { errors } = checkShape('Scale', scale);
      if (!isRecord(scale) || errors.length > 0) {
        throw badRequest(`Scale in version "v1" cannot be handled as a Scale: ${errors.join(', ')}`);
      }
      const replicas = scale.spec?.replicas ?? 0;
      if (replicas < 0) {
        const message = `Invalid value: ${replicas}: must be greater than or equal to 0`;
        const cause = { reason: 'FieldValueInvalid', field: 'spec.replicas', message };
        throw invalid(qualifiedKind(type), target.name!, [cause]);
      }
      setReplicas(draft, type.scale!, replicas);
      // What the client scaled may be another object, or another version of it, by now.
      draft.metadata.resourceVersion = scale.metadata?.resourceVersion || draft.metadata.resourceVersion;
      draft.metadata.uid = scale.metadata?.uid || draft.metadata.uid;
    },
    { dryRun: isDryRun(query), check: (next, previous) => checkScaled(call, next, previous) },
  );
}

function checkScaled({ type }: ResourceCall, next: KubeObject, previous: KubeObject | undefined): void {
  const causes = type.admit?.(asServed(type, next), previous && asServed(type, previous)).causes ?? [];
  refuseInvalid(type, next, previous, causes);
}

function setReplicas(object: Json, { specReplicasPath }: ScalePaths, replicas: number): void {
  const keys = specReplicasPath.split('.').slice(1);
  const last = keys.pop()!;
  let parent = object;
  for (const key of keys) {
    parent[key] ??= {};
    parent = parent[key];
  }
  parent[last] = replicas;
}

function scaleOf({ type }: ResourceCall, object: KubeObject): Json {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const { specReplicasPath, statusReplicasPath, labelSelectorPath } = type.scale!;
  const read = (path: string) => compileJsonPath(path)(object)[0];
  const selector = labelSelectorPath === undefined ? selectorText(object.spec?.selector) : read(labelSelectorPath);
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: read(specReplicasPath) ?? 0 },
    status: { replicas: read(statusReplicasPath) ?? 0, selector: selector || undefined },
  };
}

function selectorText(selector: Json): string {
  const equalities = Object.entries(selector?.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  const terms = (selector?.matchExpressions ?? []).map(({ key, operator, values = [] }: Json) => {
    if (operator === 'Exists' || operator === 'DoesNotExist') {
      return operator === 'Exists' ? key : `!${key}`;
    }
    return `${key} ${operator === 'In' ? 'in' : 'notin'} (${values.join(',')})`;
  });
  return [...equalities, ...terms].join(',');
}
