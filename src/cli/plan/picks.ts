import { GROUP } from '../../api/labels.js';
import type { Json, KubeObject } from '../../kubernetes/resource.js';

/**
 * Which fields of an object are kept: `true` all of it; `names` only which fields it has; a list of names only those; `squall`
 * only those of our own domain and the few of Kubernetes that matter; an object what it says of each field, of every item
 * where there is a list.
 */
export type Picks = true | 'squall' | 'names' | readonly string[] | { readonly [field: string]: Picks };

const OTHER_ANNOTATIONS = new Set(['kubernetes.io/config.mirror']);

const amounts: Picks = { requests: true, limits: { memory: true } };
const container: Picks = {
  name: true,
  restartPolicy: true,
  resources: amounts,
};

/** What a plan looks at of a pod. */
export const podPicks: Picks = {
  metadata: {
    labels: true,
    annotations: 'squall',
    ownerReferences: true,
    creationTimestamp: true,
    deletionTimestamp: true,
    deletionGracePeriodSeconds: true,
  },
  spec: {
    nodeName: true,
    hostNetwork: true,
    terminationGracePeriodSeconds: true,
    tolerations: true,
    nodeSelector: true,
    affinity: {
      nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: true },
      podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: true },
      podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: true },
    },
    topologySpreadConstraints: true,
    overhead: true,
    os: true,
    resources: amounts,
    containers: container,
    initContainers: container,
    ephemeralContainers: { name: true },
    volumes: { name: true, emptyDir: 'names' },
  },
  status: {
    phase: true,
    conditions: { type: true, status: true },
    containerStatuses: { name: true, state: 'names' },
  },
};

/** What is left of an object: its identity, and what the picks name. */
export function pick(object: KubeObject, picks: Picks): KubeObject {
  const { apiVersion, kind, metadata } = object;
  const { metadata: _metadata, ...rest } = object;
  const { metadata: ofMetadata = {}, ...others } = picks as Record<string, Picks>;
  const { name, namespace, uid } = metadata;
  return {
    ...(apiVersion && { apiVersion }),
    ...(kind && { kind }),
    metadata: {
      ...(name && { name }),
      ...(namespace && { namespace }),
      ...(uid && { uid }),
      ...pickFrom(metadata, ofMetadata),
    },
    ...pickFrom(rest, others),
  };
}

function pickFrom(value: Json, picks: Picks): Json {
  if (picks === true || value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((item) => pickFrom(item, picks));
  const kept = Object.entries(value).flatMap(([field, inner]) => {
    const wanted = pickOf(field, picks);
    if (wanted === undefined) return [];
    const found = wanted === 'nothing' ? {} : pickFrom(inner, wanted);
    return isEmpty(found) && !isEmpty(inner) && wanted !== 'nothing' ? [] : [[field, found]];
  });
  return Object.fromEntries(kept);
}

/** What is kept of a field; `nothing`: only that it is there; undefined: not even that. */
function pickOf(field: string, picks: Exclude<Picks, true>): Picks | 'nothing' | undefined {
  if (picks === 'names') return 'nothing';
  if (picks === 'squall') return isOurs(field) ? true : undefined;
  if (isList(picks)) return picks.includes(field) ? true : undefined;
  return Object.hasOwn(picks, field) ? picks[field] : undefined;
}

function isList(picks: Picks): picks is readonly string[] {
  return Array.isArray(picks);
}

function isOurs(annotation: string): boolean {
  const [domain = ''] = annotation.split('/');
  return domain === GROUP || domain.endsWith(`.${GROUP}`) || OTHER_ANNOTATIONS.has(annotation);
}

function isEmpty(value: Json): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}
