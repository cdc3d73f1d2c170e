import { valueAt } from '../json.js';
import type { KubeObject } from '../store/types.js';
import { columnsOf } from '../table/columns.js';
import { toCoreEvent, toGroupedEvent } from './event-versions.js';
import { ALL_VERBS, type ResourceType } from './resource-type.js';

interface Declaration {
  group?: string;
  version?: string;
  kind: string;
  plural: string;
  shortNames?: string[];
  categories?: string[];
  cluster?: boolean;
  status?: boolean;
  scalable?: boolean;
  question?: boolean;
  subresources?: ResourceType['subresources'];
  /** Paths that lists can be filtered by. */
  fields?: string[];
}

const WRITE = ['get', 'patch', 'update'];

const DECLARATIONS: Declaration[] = [
  {
    kind: 'Pod',
    plural: 'pods',
    shortNames: ['po'],
    categories: ['all'],
    status: true,
    subresources: [
      { name: 'binding', kind: 'Binding', verbs: ['create'] },
      { name: 'ephemeralcontainers', kind: 'Pod', verbs: WRITE },
      { name: 'eviction', kind: 'Eviction', verbs: ['create'], group: 'policy', version: 'v1' },
      { name: 'log', kind: 'Pod', verbs: ['get'] },
    ],
    fields: [
      'spec.nodeName',
      'spec.restartPolicy',
      'spec.schedulerName',
      'spec.serviceAccountName',
      'status.phase',
      'status.podIP',
    ],
  },
  {
    kind: 'Node',
    plural: 'nodes',
    shortNames: ['no'],
    cluster: true,
    status: true,
    fields: ['spec.unschedulable'],
  },
  {
    kind: 'Namespace',
    plural: 'namespaces',
    shortNames: ['ns'],
    cluster: true,
    status: true,
    subresources: [{ name: 'finalize', kind: 'Namespace', verbs: ['update'] }],
    fields: ['status.phase'],
  },
  { kind: 'Service', plural: 'services', shortNames: ['svc'], categories: ['all'], status: true },
  { kind: 'Endpoints', plural: 'endpoints', shortNames: ['ep'] },
  { kind: 'ConfigMap', plural: 'configmaps', shortNames: ['cm'] },
  { kind: 'Secret', plural: 'secrets', fields: ['type'] },
  {
    kind: 'ServiceAccount',
    plural: 'serviceaccounts',
    shortNames: ['sa'],
    subresources: [
      { name: 'token', kind: 'TokenRequest', verbs: ['create'], group: 'authentication.k8s.io', version: 'v1' },
    ],
  },
  {
    kind: 'Event',
    plural: 'events',
    shortNames: ['ev'],
    fields: [
      'involvedObject.kind',
      'involvedObject.namespace',
      'involvedObject.name',
      'involvedObject.uid',
      'involvedObject.apiVersion',
      'involvedObject.resourceVersion',
      'involvedObject.fieldPath',
      'reason',
      'reportingComponent',
      'type',
    ],
  },
  workload('Deployment', 'deployments', 'deploy', true),
  workload('ReplicaSet', 'replicasets', 'rs', true),
  workload('StatefulSet', 'statefulsets', 'sts', true),
  workload('DaemonSet', 'daemonsets', 'ds', false),
  { group: 'batch', kind: 'Job', plural: 'jobs', categories: ['all'], status: true },
  {
    group: 'autoscaling',
    version: 'v2',
    kind: 'HorizontalPodAutoscaler',
    plural: 'horizontalpodautoscalers',
    shortNames: ['hpa'],
    categories: ['all'],
    status: true,
  },
  { group: 'policy', kind: 'PodDisruptionBudget', plural: 'poddisruptionbudgets', shortNames: ['pdb'], status: true },
  { group: 'coordination.k8s.io', kind: 'Lease', plural: 'leases' },
  { group: 'discovery.k8s.io', kind: 'EndpointSlice', plural: 'endpointslices' },
  { group: 'networking.k8s.io', kind: 'Ingress', plural: 'ingresses', shortNames: ['ing'], status: true },
  { group: 'networking.k8s.io', kind: 'NetworkPolicy', plural: 'networkpolicies', shortNames: ['netpol'] },
  { group: 'rbac.authorization.k8s.io', kind: 'Role', plural: 'roles' },
  { group: 'rbac.authorization.k8s.io', kind: 'RoleBinding', plural: 'rolebindings' },
  { group: 'rbac.authorization.k8s.io', kind: 'ClusterRole', plural: 'clusterroles', cluster: true },
  { group: 'rbac.authorization.k8s.io', kind: 'ClusterRoleBinding', plural: 'clusterrolebindings', cluster: true },
  {
    group: 'admissionregistration.k8s.io',
    kind: 'ValidatingAdmissionPolicy',
    plural: 'validatingadmissionpolicies',
    cluster: true,
    status: true,
  },
  {
    group: 'admissionregistration.k8s.io',
    kind: 'ValidatingAdmissionPolicyBinding',
    plural: 'validatingadmissionpolicybindings',
    cluster: true,
  },
  question('authentication.k8s.io', 'SelfSubjectReview', true),
  question('authentication.k8s.io', 'TokenReview', true),
  question('authorization.k8s.io', 'LocalSubjectAccessReview', false),
  question('authorization.k8s.io', 'SelfSubjectAccessReview', true),
  question('authorization.k8s.io', 'SelfSubjectRulesReview', true),
  question('authorization.k8s.io', 'SubjectAccessReview', true),
  {
    group: 'apiextensions.k8s.io',
    kind: 'CustomResourceDefinition',
    plural: 'customresourcedefinitions',
    shortNames: ['crd', 'crds'],
    categories: ['api-extensions'],
    cluster: true,
    status: true,
  },
];

/** The kinds that every cluster has, as far as the sandbox has them. */
export const BUILT_IN_TYPES: readonly ResourceType[] = [...DECLARATIONS.map(toResourceType), groupedEvents()];

/** `events.k8s.io/v1`: another view of the same stored events. */
function groupedEvents(): ResourceType {
  const core = toResourceType(DECLARATIONS.find(({ kind }) => kind === 'Event')!);
  const fields = Object.entries(core.fields).map(([path, read]) => [path.replace('involvedObject', 'regarding'), read]);
  return {
    ...core,
    group: 'events.k8s.io',
    fields: Object.fromEntries(fields),
    toServed: toGroupedEvent,
    toStored: toCoreEvent,
  };
}

function workload(kind: string, plural: string, shortName: string, scalable: boolean): Declaration {
  return { group: 'apps', kind, plural, shortNames: [shortName], categories: ['all'], status: true, scalable };
}

function question(group: string, kind: string, cluster: boolean): Declaration {
  return { group, kind, plural: `${kind.toLowerCase()}s`, cluster, question: true };
}

function toResourceType(declaration: Declaration): ResourceType {
  const { group = '', version = 'v1', kind, plural, status = false, question = false } = declaration;
  return {
    resource: group === '' ? plural : `${plural}.${group}`,
    group,
    version,
    kind,
    listKind: `${kind}List`,
    plural,
    singular: kind.toLowerCase(),
    namespaced: !declaration.cluster,
    shortNames: declaration.shortNames ?? [],
    categories: declaration.categories ?? [],
    verbs: question ? ['create'] : ALL_VERBS,
    question,
    status,
    scale: declaration.scalable
      ? { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' }
      : undefined,
    subresources: subresourcesOf(declaration),
    columns: columnsOf(plural),
    fields: Object.fromEntries((declaration.fields ?? []).map((path) => [path, fieldReader(path)])),
  };
}

function subresourcesOf({ kind, status, scalable, subresources = [] }: Declaration): ResourceType['subresources'] {
  const all = [...subresources];
  if (scalable) {
    all.push({ name: 'scale', kind: 'Scale', verbs: WRITE, group: 'autoscaling', version: 'v1' });
  }
  if (status) {
    all.push({ name: 'status', kind, verbs: WRITE });
  }
  return all;
}

function fieldReader(path: string): (object: KubeObject) => string {
  const keys = path.split('.');
  const fallback = keys.at(-1) === 'unschedulable' ? 'false' : '';
  return (object) => String(valueAt(object, keys) ?? fallback);
}
