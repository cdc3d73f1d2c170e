import { isRecord } from '../json.js';
import type { Json, KubeObject, ResourceName } from '../store/types.js';
import { arrayOf, defaultPod, defaultPodSpec } from './pod-defaults.js';

type Defaulter = (object: KubeObject) => void;

const DEFAULTERS: Record<ResourceName, Defaulter> = {
  pods: defaultPod,
  namespaces: defaultNamespace,
  services: defaultService,
  secrets: defaultSecret,
  endpoints: defaultEndpoints,
  'endpointslices.discovery.k8s.io': defaultEndpointSlice,
  'deployments.apps': defaultDeployment,
  'replicasets.apps': defaultReplicaSet,
  'statefulsets.apps': defaultStatefulSet,
  'daemonsets.apps': defaultDaemonSet,
  'jobs.batch': defaultJob,
  'poddisruptionbudgets.policy': defaultStatus,
  'horizontalpodautoscalers.autoscaling': defaultAutoscaler,
  'validatingadmissionpolicies.admissionregistration.k8s.io': defaultPolicy,
  'networkpolicies.networking.k8s.io': defaultNetworkPolicy,
  'customresourcedefinitions.apiextensions.k8s.io': defaultDefinition,
  'rolebindings.rbac.authorization.k8s.io': defaultBinding,
  'clusterrolebindings.rbac.authorization.k8s.io': defaultBinding,
};

/**
 * Fills in, in place, the fields that a real API server defaults for its built-in kinds. Values of a wrong type are
 * left for validation to find.
 */
export function applyDefaults(resource: ResourceName, object: KubeObject): void {
  DEFAULTERS[resource]?.(object);
}

function defaultStatus(object: KubeObject): void {
  object.status ??= {};
}

function defaultNamespace(namespace: KubeObject): void {
  const { metadata } = namespace;
  metadata.labels = { ...metadata.labels, 'kubernetes.io/metadata.name': metadata.name };
  namespace.spec ??= {};
  namespace.spec.finalizers ??= ['kubernetes'];
  namespace.status ??= {};
  namespace.status.phase ??= 'Active';
}

function defaultService({ spec }: KubeObject): void {
  if (!isRecord(spec)) {
    return;
  }
  spec.type ??= 'ClusterIP';
  spec.sessionAffinity ??= 'None';
  if (spec.type !== 'ExternalName') {
    spec.internalTrafficPolicy ??= 'Cluster';
    spec.ipFamilies ??= ['IPv4'];
    spec.ipFamilyPolicy ??= 'SingleStack';
  }
  for (const port of arrayOf(spec.ports)) {
    port.protocol ??= 'TCP';
    port.targetPort ??= port.port;
  }
}

function defaultSecret(secret: KubeObject): void {
  secret.type ??= 'Opaque';
  if (isRecord(secret.stringData)) {
    const encoded = Object.entries(secret.stringData).map(([key, text]) => [
      key,
      Buffer.from(String(text)).toString('base64'),
    ]);
    secret.data = { ...secret.data, ...Object.fromEntries(encoded) };
    delete secret.stringData;
  }
}

function defaultEndpoints(endpoints: KubeObject): void {
  for (const subset of arrayOf(endpoints.subsets)) {
    defaultProtocols(subset.ports);
  }
}

function defaultEndpointSlice(slice: KubeObject): void {
  defaultProtocols(slice.ports);
  for (const port of arrayOf(slice.ports)) {
    port.name ??= '';
  }
}

function defaultProtocols(ports: unknown): void {
  for (const port of arrayOf(ports)) {
    port.protocol ??= 'TCP';
  }
}

function defaultDeployment(deployment: KubeObject): void {
  const spec = workloadSpec(deployment);
  spec.replicas ??= 1;
  spec.revisionHistoryLimit ??= 10;
  spec.progressDeadlineSeconds ??= 600;
  spec.strategy ??= {};
  spec.strategy.type ??= 'RollingUpdate';
  if (spec.strategy.type === 'RollingUpdate') {
    spec.strategy.rollingUpdate ??= {};
    spec.strategy.rollingUpdate.maxSurge ??= '25%';
    spec.strategy.rollingUpdate.maxUnavailable ??= '25%';
  }
}

function defaultReplicaSet(set: KubeObject): void {
  workloadSpec(set).replicas ??= 1;
}

function defaultStatefulSet(set: KubeObject): void {
  const spec = workloadSpec(set);
  spec.replicas ??= 1;
  spec.revisionHistoryLimit ??= 10;
  spec.podManagementPolicy ??= 'OrderedReady';
  spec.updateStrategy ??= { type: 'RollingUpdate', rollingUpdate: { partition: 0 } };
}

function defaultDaemonSet(set: KubeObject): void {
  const spec = workloadSpec(set);
  spec.revisionHistoryLimit ??= 10;
  spec.updateStrategy ??= {};
  spec.updateStrategy.type ??= 'RollingUpdate';
  if (spec.updateStrategy.type === 'RollingUpdate') {
    spec.updateStrategy.rollingUpdate ??= { maxUnavailable: 1, maxSurge: 0 };
  }
}

function defaultJob(job: KubeObject): void {
  const spec = workloadSpec(job);
  spec.parallelism ??= 1;
  spec.completions ??= 1;
  spec.backoffLimit ??= 6;
  spec.completionMode ??= 'NonIndexed';
  spec.suspend ??= false;
  spec.manualSelector ??= false;
  if (spec.selector === undefined && !spec.manualSelector && isRecord(spec.template)) {
    const controller = { 'batch.kubernetes.io/controller-uid': job.metadata.uid };
    spec.selector = { matchLabels: controller };
    spec.template.metadata ??= {};
    spec.template.metadata.labels = {
      ...spec.template.metadata.labels,
      ...controller,
      'batch.kubernetes.io/job-name': job.metadata.name,
    };
  }
}

/** The spec of an object that has a pod template, with the template's defaults filled in. */
function workloadSpec(object: KubeObject): Json {
  object.status ??= {};
  object.spec ??= {};
  if (isRecord(object.spec.template?.spec)) {
    defaultPodSpec(object.spec.template.spec);
  }
  return object.spec;
}

function defaultAutoscaler(autoscaler: KubeObject): void {
  autoscaler.status ??= {};
  if (!isRecord(autoscaler.spec)) {
    return;
  }
  autoscaler.spec.minReplicas ??= 1;
  const target = { type: 'Utilization', averageUtilization: 80 };
  autoscaler.spec.metrics ??= [{ type: 'Resource', resource: { name: 'cpu', target } }];
}

function defaultPolicy(policy: KubeObject): void {
  policy.status ??= {};
  if (isRecord(policy.spec)) {
    policy.spec.failurePolicy ??= 'Fail';
    if (isRecord(policy.spec.matchConstraints)) {
      policy.spec.matchConstraints.matchPolicy ??= 'Equivalent';
    }
  }
}

function defaultNetworkPolicy({ spec }: KubeObject): void {
  if (isRecord(spec)) {
    spec.policyTypes ??= spec.egress === undefined ? ['Ingress'] : ['Ingress', 'Egress'];
  }
}

function defaultBinding(binding: KubeObject): void {
  if (isRecord(binding.roleRef)) {
    binding.roleRef.apiGroup ??= 'rbac.authorization.k8s.io';
  }
  for (const subject of arrayOf(binding.subjects)) {
    subject.apiGroup ??= subject.kind === 'ServiceAccount' ? '' : 'rbac.authorization.k8s.io';
  }
}

function defaultDefinition({ spec }: KubeObject): void {
  if (!isRecord(spec)) {
    return;
  }
  spec.conversion ??= { strategy: 'None' };
  if (isRecord(spec.names)) {
    spec.names.singular ||= String(spec.names.kind ?? '').toLowerCase();
    spec.names.listKind ||= `${spec.names.kind}List`;
  }
}
