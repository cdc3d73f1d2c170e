import type { StatusCause } from '../api-error.js';
import { equalJson, isRecord } from '../json.js';
import type { Json, KubeObject, ResourceName } from '../store/types.js';
import { validateDefinition } from './crd-validation.js';
import { validatePod, validatePodSpec, validatePodUpdate } from './pod-validation.js';
import { validatePolicy, validatePolicyBinding } from './policy-validation.js';
import { Problems } from './problems.js';
import { validateBinding, validateRole } from './rbac-validation.js';
import { compileLabelSelector } from './selector.js';

type Validator = (problems: Problems, object: KubeObject, previous: KubeObject | undefined) => void;

const VALIDATORS: Record<ResourceName, Validator> = {
  pods: (problems, pod, previous) =>
    previous === undefined ? validatePod(problems, pod) : validatePodUpdate(problems, pod, previous),
  services: validateService,
  events: validateEvent,
  'deployments.apps': validateWorkload,
  'replicasets.apps': validateWorkload,
  'statefulsets.apps': validateWorkload,
  'daemonsets.apps': validateWorkload,
  'jobs.batch': validateJob,
  'poddisruptionbudgets.policy': validateDisruptionBudget,
  'horizontalpodautoscalers.autoscaling': validateAutoscaler,
  'leases.coordination.k8s.io': validateLease,
  'validatingadmissionpolicies.admissionregistration.k8s.io': validatePolicy,
  'validatingadmissionpolicybindings.admissionregistration.k8s.io': validatePolicyBinding,
  'roles.rbac.authorization.k8s.io': validateRole,
  'clusterroles.rbac.authorization.k8s.io': validateRole,
  'rolebindings.rbac.authorization.k8s.io': validateBinding,
  'clusterrolebindings.rbac.authorization.k8s.io': validateBinding,
  'customresourcedefinitions.apiextensions.k8s.io': validateDefinition,
};

const SERVICE_TYPES = ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'];
const MAX_PORT = 65_535;

/**
 * What a real API server would refuse in a built-in kind, as far as it matters here: the causes of a 422. Fields have
 * been compared with the kind's shape before.
 */
export function validateBuiltIn(
  resource: ResourceName,
  object: KubeObject,
  previous: KubeObject | undefined,
): StatusCause[] {
  const problems = new Problems();
  VALIDATORS[resource]?.(problems, object, previous);
  return problems.causes;
}

function validateWorkload(problems: Problems, object: KubeObject, previous: KubeObject | undefined): void {
  const { spec } = object;
  problems.notNegative('spec.replicas', spec.replicas);
  problems.notNegative('spec.minReadySeconds', spec.minReadySeconds);
  validateTemplate(problems, spec.template, ['Always']);
  if (!isRecord(spec.selector)) {
    problems.required('spec.selector');
    return;
  }
  validateSelector(problems, spec.selector, object.kind);
  const labels = spec.template?.metadata?.labels ?? {};
  if (!compileLabelSelector(spec.selector)(labels)) {
    problems.invalid('spec.template.metadata.labels', labels, '`selector` does not match template `labels`');
  }
  if (previous !== undefined && !equalJson(previous.spec.selector, spec.selector)) {
    problems.invalid('spec.selector', spec.selector, 'field is immutable');
  }
}

function validateSelector(problems: Problems, selector: Json, kind: string): void {
  if (Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions ?? []).length === 0) {
    problems.invalid('spec.selector', selector, `empty selector is invalid for ${kind.toLowerCase()}`);
  }
  (selector.matchExpressions ?? []).forEach((term: Json, index: number) => {
    const field = `spec.selector.matchExpressions[${index}].operator`;
    problems.oneOf(field, term.operator, ['In', 'NotIn', 'Exists', 'DoesNotExist']);
  });
}

function validateTemplate(problems: Problems, template: Json, restartPolicies: string[]): void {
  if (!isRecord(template?.spec)) {
    problems.required('spec.template.spec');
    return;
  }
  validatePodSpec(problems, 'spec.template.spec', template.spec);
  problems.oneOf('spec.template.spec.restartPolicy', template.spec.restartPolicy, restartPolicies);
}

function validateJob(problems: Problems, job: KubeObject, previous: KubeObject | undefined): void {
  const { spec } = job;
  for (const field of ['parallelism', 'completions', 'backoffLimit', 'activeDeadlineSeconds']) {
    problems.notNegative(`spec.${field}`, spec[field]);
  }
  validateTemplate(problems, spec.template, ['OnFailure', 'Never']);
  for (const field of ['completions', 'selector', 'template', 'completionMode']) {
    if (previous !== undefined && !equalJson(previous.spec[field], spec[field])) {
      problems.invalid(`spec.${field}`, spec[field], 'field is immutable');
    }
  }
}

function validateService(problems: Problems, service: KubeObject, previous: KubeObject | undefined): void {
  const { spec } = service;
  if (!isRecord(spec)) {
    problems.required('spec');
    return;
  }
  problems.oneOf('spec.type', spec.type, SERVICE_TYPES);
  const ports: Json[] = spec.ports ?? [];
  if (ports.length === 0 && spec.type !== 'ExternalName' && spec.clusterIP !== 'None') {
    problems.required('spec.ports');
  }
  ports.forEach((port, index) => {
    const field = `spec.ports[${index}]`;
    problems.inRange(`${field}.port`, port.port, 1, MAX_PORT);
    problems.oneOf(`${field}.protocol`, port.protocol, ['SCTP', 'TCP', 'UDP']);
    if (ports.length > 1 && !port.name) {
      problems.required(`${field}.name`);
    }
  });
  const clusterAddress = previous?.spec?.clusterIP;
  if (clusterAddress && spec.clusterIP !== clusterAddress && spec.type !== 'ExternalName') {
    problems.invalid('spec.clusterIP', spec.clusterIP, 'field is immutable');
  }
}

function validateEvent(problems: Problems, event: KubeObject): void {
  const { involvedObject, metadata } = event;
  if (!isRecord(involvedObject)) {
    problems.required('involvedObject');
    return;
  }
  const expected = involvedObject.namespace || 'default';
  if (expected !== metadata.namespace) {
    problems.invalid('involvedObject.namespace', involvedObject.namespace, 'does not match event.namespace');
  }
}

function validateDisruptionBudget(problems: Problems, { spec }: KubeObject): void {
  if (spec?.minAvailable !== undefined && spec?.maxUnavailable !== undefined) {
    problems.invalid('spec', spec, 'minAvailable and maxUnavailable cannot be both set');
  }
  for (const field of ['minAvailable', 'maxUnavailable']) {
    const value = spec?.[field];
    if (typeof value === 'string' && !/^\d{1,3}%$/.test(value)) {
      problems.invalid(
        `spec.${field}`,
        value,
        "a valid percent string must be a numeric string followed by an ending '%'",
      );
    } else {
      problems.notNegative(`spec.${field}`, typeof value === 'number' ? value : undefined);
    }
  }
}

function validateAutoscaler(problems: Problems, { spec }: KubeObject): void {
  const { scaleTargetRef, minReplicas, maxReplicas } = spec ?? {};
  for (const field of ['kind', 'name']) {
    if (!scaleTargetRef?.[field]) {
      problems.required(`spec.scaleTargetRef.${field}`);
    }
  }
  if (minReplicas < 1) {
    problems.invalid('spec.minReplicas', minReplicas, 'must be greater than or equal to 1');
  }
  if (!(maxReplicas >= 1)) {
    problems.invalid('spec.maxReplicas', maxReplicas ?? 0, 'must be greater than 0');
  } else if (maxReplicas < minReplicas) {
    problems.invalid('spec.maxReplicas', maxReplicas, 'must be greater than or equal to `minReplicas`');
  }
}

function validateLease(problems: Problems, { spec }: KubeObject): void {
  const { leaseDurationSeconds, leaseTransitions } = spec ?? {};
  if (leaseDurationSeconds !== undefined && leaseDurationSeconds <= 0) {
    problems.invalid('spec.leaseDurationSeconds', leaseDurationSeconds, 'must be greater than 0');
  }
  problems.notNegative('spec.leaseTransitions', leaseTransitions);
}
