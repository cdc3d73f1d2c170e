/**
 * What the embedded cluster's parts agree on. The API server, the controllers and the kubelets share one in-process
 * store; nobody else writes to it, and every reader sees the same committed objects.
 */

/** Metadata every stored object carries. Times are RFC 3339 in whole seconds, as the real API server writes them. */
export interface ObjectMeta {
  name: string;
  namespace?: string;
  uid: string;
  resourceVersion: string;
  generation?: number;
  creationTimestamp: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: OwnerReference[];
  generateName?: string;
}

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

// biome-ignore lint/suspicious/noExplicitAny: a cluster stores objects of kinds it learns at run time
export type Json = any;

/** A stored object. Objects that leave the store are frozen by convention: copy before changing. */
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  spec?: Json;
  status?: Json;
  [field: string]: Json;
}

/** Plural and group, as in the name of a CRD: `pods`, `deployments.apps`, `experiments.squall.dev`. */
export type ResourceName = string;

export interface StoreEvent {
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  object: KubeObject;
  /** The object as it was before this event; absent for ADDED. */
  previous?: KubeObject;
}

export interface DeleteOptions {
  gracePeriodSeconds?: number;
  preconditions?: { uid?: string; resourceVersion?: string };
  propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
}

/**
 * The one store of a sandbox. All methods are synchronous and atomic (one event-loop turn); failures throw an
 * `ApiError` with the HTTP status and reason a real API server would answer.
 */
export interface Store {
  get(resource: ResourceName, namespace: string | undefined, name: string): KubeObject | undefined;
  /** All objects of a resource, of one namespace when given. */
  list(resource: ResourceName, namespace?: string): KubeObject[];
  /** Fills in uid, resourceVersion, creationTimestamp, generation, and the name from generateName. */
  create(resource: ResourceName, object: Omit<KubeObject, 'metadata'> & { metadata: Partial<ObjectMeta> }): KubeObject;
  /**
   * Read, change and write back in one step: `change` edits a private copy. Nothing happens when nothing differs.
   * `generation` grows only when `spec` changed. An object in deletion whose last finalizer goes away is removed.
   */
  update(
    resource: ResourceName,
    namespace: string | undefined,
    name: string,
    change: (draft: KubeObject) => void,
  ): KubeObject;
  /** Deletes as the API server does: finalizers, the grace period of pods, and preconditions are respected. */
  delete(resource: ResourceName, namespace: string | undefined, name: string, options?: DeleteOptions): KubeObject;
  /** Calls back after each commit of that resource, in order; returns how to stop. */
  subscribe(resource: ResourceName, listener: (event: StoreEvent) => void): () => void;
}
