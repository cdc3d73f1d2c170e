import { GROUP, LABEL_PART_OF, PART_OF, VERSION } from './labels.js';
import type { Schema } from './schema.js';

/** Metadata of an object as read from the API server. */
export interface Metadata {
  name: string;
  namespace?: string;
  uid: string;
  resourceVersion: string;
  generation?: number;
  creationTimestamp: string;
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: { apiVersion: string; kind: string; name: string; uid: string; controller?: boolean }[];
}

/** A custom resource as read from the API server. */
export interface Resource<Spec, Status> {
  apiVersion: string;
  kind: string;
  metadata: Metadata;
  spec: Spec;
  status?: Status;
}

/** A printer column of `kubectl get`. `wide` columns show only with `-o wide`. */
export interface Column {
  name: string;
  type: 'string' | 'integer' | 'number' | 'date' | 'boolean';
  jsonPath: string;
  description: string;
  wide?: boolean;
}

/** Everything that is needed to make a CRD and to check an object of the kind offline. */
export interface Kind {
  kind: string;
  plural: string;
  shortNames: string[];
  scope: 'Namespaced' | 'Cluster';
  summary: string;
  /** The longest `metadata.name` that may be used. */
  maxNameLength: number;
  spec: Schema;
  status: Schema;
  columns: Column[];
  /** The types of conditions its status can have, and what each says. */
  conditions?: Readonly<Record<string, string>>;
  /** What a schema can't say, such as an expression that does not compile; paths are from the object's root. */
  check?(spec: unknown): { path: (string | number)[]; message: string }[];
}

/** The CustomResourceDefinition of a kind, ready to be serialized. */
export function customResourceDefinition(kind: Kind) {
  const columns = [...kind.columns, age];
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${kind.plural}.${GROUP}`, labels: { [LABEL_PART_OF]: PART_OF } },
    spec: {
      group: GROUP,
      scope: kind.scope,
      names: {
        kind: kind.kind,
        listKind: `${kind.kind}List`,
        plural: kind.plural,
        singular: kind.kind.toLowerCase(),
        shortNames: kind.shortNames,
        categories: ['squall'],
      },
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: columns.map(({ wide, ...column }) => ({ ...column, ...(wide && { priority: 1 }) })),
          schema: { openAPIV3Schema: rootSchema(kind) },
        },
      ],
    },
  };
}

const age: Column = {
  name: 'Age',
  type: 'date',
  jsonPath: '.metadata.creationTimestamp',
  description: 'Time since the object was created.',
};

function rootSchema(kind: Kind) {
  return {
    type: 'object',
    description: kind.summary,
    required: ['spec'],
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      spec: kind.spec.json,
      status: kind.status.json,
    },
    'x-kubernetes-validations': [
      {
        rule: `self.metadata.name.size() <= ${kind.maxNameLength}`,
        message: `name must be at most ${kind.maxNameLength} characters`,
      },
    ],
  };
}
