/** Any JSON value as the API server sends it. */
// biome-ignore lint/suspicious/noExplicitAny: objects of unknown kinds are plain JSON
export type Json = any;

/** The metadata of an object: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/ */
export interface ObjectMeta {
  name?: string;
  generateName?: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  /** RFC 3339, one-second resolution. */
  creationTimestamp?: string;
  /** RFC 3339; present while the object waits for its grace period or its finalizers. */
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: OwnerReference[];
}

/** One entry of `metadata.ownerReferences`. */
export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

/** An object of any kind; kinds of our own extend it with their `spec` and `status`. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
  spec?: Json;
  status?: Json;
  // biome-ignore lint/suspicious/noExplicitAny: fields of unknown kinds are plain JSON
  [field: string]: any;
}

/** Where objects of one kind live on the API server. */
export interface Resource {
  /** API group, `''` for the core group. */
  group: string;
  version: string;
  plural: string;
  namespaced: boolean;
  kind?: string;
}

/** `v1` or `apps/v1`: the `apiVersion` of the resource's objects. */
export function apiVersionOf(resource: Pick<Resource, 'group' | 'version'>): string {
  return resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
}

/** `/api/v1` or `/apis/apps/v1`: the path under which an `apiVersion` is served. */
export function groupPath(apiVersion: string): string {
  return apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}

/**
 * The path of the collection; of all namespaces when the resource is namespaced and none is given.
 */
export function collectionPath(resource: Resource, namespace?: string): string {
  const root = groupPath(apiVersionOf(resource));
  const scope = resource.namespaced && namespace ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${root}${scope}/${resource.plural}`;
}

/**
 * The path of one object, or of its subresource.
 * @throws when a namespaced resource is addressed without a namespace, or the name is empty: the path would be another one's
 */
export function objectPath(
  resource: Resource,
  namespace: string | undefined,
  name: string,
  subresource?: string,
): string {
  if (name === '') throw new Error(`A name is needed to address one of ${resource.plural}.`);
  if (resource.namespaced && !namespace)
    throw new Error(`A namespace is needed to address ${resource.plural}/${name}.`);
  const path = `${collectionPath(resource, namespace)}/${encodeURIComponent(name)}`;
  return subresource ? `${path}/${subresource}` : path;
}

/** The key of an object in caches and queues: `namespace/name`, or `name` for cluster-scoped objects. */
export function keyOf(namespace: string | undefined, name: string): string {
  return namespace ? `${namespace}/${name}` : name;
}

/** The inverse of {@link keyOf}. */
export function splitKey(key: string): { namespace: string | undefined; name: string } {
  const slash = key.indexOf('/');
  return slash < 0
    ? { namespace: undefined, name: key }
    : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** A resource of Squall's own group, `squall.dev/v1alpha1`. */
export function customResource(plural: string, kind: string, namespaced: boolean): Resource {
  return { group: 'squall.dev', version: 'v1alpha1', plural, kind, namespaced };
}

const core = (plural: string, kind: string, namespaced = true): Resource => ({
  group: '',
  version: 'v1',
  plural,
  kind,
  namespaced,
});
const apps = (plural: string, kind: string): Resource => ({
  group: 'apps',
  version: 'v1',
  plural,
  kind,
  namespaced: true,
});

/** `v1` Pod. */
export const pods = core('pods', 'Pod');
/** `v1` Node. */
export const nodes = core('nodes', 'Node', false);
/** `v1` Namespace. */
export const namespaces = core('namespaces', 'Namespace', false);
/** `v1` Service. */
export const services = core('services', 'Service');
/** `v1` Event. */
export const events = core('events', 'Event');
/** `v1` ServiceAccount. */
export const serviceAccounts = core('serviceaccounts', 'ServiceAccount');
/** `authorization.k8s.io/v1` SubjectAccessReview: a question, which only creating it answers. */
export const subjectAccessReviews: Resource = {
  group: 'authorization.k8s.io',
  version: 'v1',
  plural: 'subjectaccessreviews',
  kind: 'SubjectAccessReview',
  namespaced: false,
};
/** `authorization.k8s.io/v1` SelfSubjectAccessReview: the same about whoever asks. */
export const selfSubjectAccessReviews: Resource = {
  ...subjectAccessReviews,
  plural: 'selfsubjectaccessreviews',
  kind: 'SelfSubjectAccessReview',
};
/** `apps/v1` Deployment. */
export const deployments = apps('deployments', 'Deployment');
/** `apps/v1` ReplicaSet. */
export const replicaSets = apps('replicasets', 'ReplicaSet');
/** `apps/v1` StatefulSet. */
export const statefulSets = apps('statefulsets', 'StatefulSet');
/** `apps/v1` DaemonSet. */
export const daemonSets = apps('daemonsets', 'DaemonSet');
/** `discovery.k8s.io/v1` EndpointSlice. */
export const endpointSlices: Resource = {
  group: 'discovery.k8s.io',
  version: 'v1',
  plural: 'endpointslices',
  kind: 'EndpointSlice',
  namespaced: true,
};
/** `policy/v1` PodDisruptionBudget. */
export const podDisruptionBudgets: Resource = {
  group: 'policy',
  version: 'v1',
  plural: 'poddisruptionbudgets',
  kind: 'PodDisruptionBudget',
  namespaced: true,
};
/** `coordination.k8s.io/v1` Lease. */
export const leases: Resource = {
  group: 'coordination.k8s.io',
  version: 'v1',
  plural: 'leases',
  kind: 'Lease',
  namespaced: true,
};
/** `squall.dev` Injection, which both controller and agents work on. */
export const injections = customResource('injections', 'Injection', true);
