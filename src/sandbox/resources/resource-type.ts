import type { KubeObject, ResourceName } from '../store/types.js';

/** The verbs of a resource that can be read and written. */
export const ALL_VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

/** A column of `kubectl get`. Cells are computed on the server. */
export interface Column {
  name: string;
  type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  /** `name` marks the column that names the object. */
  format?: string;
  description?: string;
  /** 0 is always shown, 1 with `-o wide`. */
  priority?: number;
  cell: (object: KubeObject, now: Date) => string | number | boolean | null;
}

/** JSON paths of a scale subresource, as in a CRD. */
export interface ScalePaths {
  specReplicasPath: string;
  statusReplicasPath: string;
  /** Where the status holds the selector as a string. */
  labelSelectorPath?: string;
}

/** What admission found in an object of a custom kind. */
export interface Admission {
  /** The object with unknown fields pruned and defaults filled in. */
  object: KubeObject;
  /** Dotted paths of the fields that were pruned. */
  unknown: string[];
  causes: { reason: string; message: string; field: string }[];
}

/** One kind in one version: everything the server must know to serve it. */
export interface ResourceType {
  /** Where its objects are in the store. */
  resource: ResourceName;
  group: string;
  version: string;
  kind: string;
  listKind: string;
  plural: string;
  singular: string;
  namespaced: boolean;
  shortNames: string[];
  categories: string[];
  verbs: string[];
  /** Whether objects of the kind are only answered, and never stored: a SubjectAccessReview and its like. */
  question: boolean;
  /** Whether `/status` is a resource of its own, so that the main one ignores changes of status. */
  status: boolean;
  scale?: ScalePaths;
  /** Further subresources: name, kind, verbs, and a group and version when they differ from the resource's. */
  subresources: { name: string; kind: string; verbs: string[]; group?: string; version?: string }[];
  columns: Column[];
  /** Field labels, beyond metadata.name and metadata.namespace, that lists can be filtered by. */
  fields: Record<string, (object: KubeObject) => string>;
  /** How a stored object looks in this version; absent when it looks as it is stored. */
  toServed?: (stored: KubeObject) => KubeObject;
  /** The way back, for what clients send in this version. */
  toStored?: (served: KubeObject) => KubeObject;
  /** Checks of a custom kind against the schema of its CRD; absent for built-in kinds. */
  admit?: (object: KubeObject, previous: KubeObject | undefined) => Admission;
}

/** `apps/v1`, or `v1` for the core group. */
export function apiVersionOf({ group, version }: Pick<ResourceType, 'group' | 'version'>): string {
  return group === '' ? version : `${group}/${version}`;
}

/** Kind and group as in messages about invalid objects: `Deployment.apps`, `Pod`. */
export function qualifiedKind({ group, kind }: Pick<ResourceType, 'group' | 'kind'>): string {
  return group === '' ? kind : `${kind}.${group}`;
}
