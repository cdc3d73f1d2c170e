import { cloneJson, equalJson, isRecord } from '../json.js';
import type { Json, KubeObject } from '../store/types.js';
import { DNS_LABEL, DNS_LABEL_RULE, DNS_SUBDOMAIN, DNS_SUBDOMAIN_RULE } from './metadata-validation.js';
import { arrayOf } from './pod-defaults.js';
import type { Problems } from './problems.js';

const RESTART_POLICIES = ['Always', 'OnFailure', 'Never'];
const MAX_PORT = 65_535;
const IMMUTABLE =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

/** Checks a new pod. */
export function validatePod(problems: Problems, pod: KubeObject): void {
  validatePodSpec(problems, 'spec', pod.spec);
  if (arrayOf(pod.spec.ephemeralContainers).length > 0) {
    problems.forbidden('spec.ephemeralContainers', 'cannot be set on create');
  }
}

/** Checks a pod's spec, in a pod or in a template at `path`. */
export function validatePodSpec(problems: Problems, path: string, spec: Json): void {
  const containers = arrayOf(spec.containers);
  if (containers.length === 0) {
    problems.required(`${path}.containers`);
  }
  problems.oneOf(`${path}.restartPolicy`, spec.restartPolicy, RESTART_POLICIES);
  problems.notNegative(`${path}.terminationGracePeriodSeconds`, spec.terminationGracePeriodSeconds);
  if (spec.nodeName) {
    problems.matches(`${path}.nodeName`, spec.nodeName, DNS_SUBDOMAIN, DNS_SUBDOMAIN_RULE);
  }
  const volumes = arrayOf(spec.volumes).map((volume) => volume.name);
  const names = new Set<string>();
  const check = (list: string) =>
    arrayOf(spec[list]).forEach((container, index) => {
      const field = `${path}.${list}[${index}]`;
      validateContainer(problems, field, container, volumes);
      if (names.has(container.name)) {
        problems.duplicate(`${field}.name`, container.name);
      }
      names.add(container.name);
    });
  check('initContainers');
  check('containers');
}

/** Checks what any container, of a pod or of a template, must be like. */
export function validateContainer(problems: Problems, field: string, container: Json, volumes: string[]): void {
  problems.matches(`${field}.name`, container.name, DNS_LABEL, DNS_LABEL_RULE);
  if (!container.image) {
    problems.required(`${field}.image`);
  }
  problems.oneOf(`${field}.imagePullPolicy`, container.imagePullPolicy, ['Always', 'IfNotPresent', 'Never']);
  arrayOf(container.ports).forEach((port, index) => {
    problems.inRange(`${field}.ports[${index}].containerPort`, port.containerPort, 1, MAX_PORT);
  });
  arrayOf(container.env).forEach((entry, index) => {
    if (!entry.name) {
      problems.required(`${field}.env[${index}].name`);
    }
  });
  arrayOf(container.volumeMounts).forEach((mount, index) => {
    if (!volumes.includes(mount.name)) {
      problems.invalid(`${field}.volumeMounts[${index}].name`, mount.name, 'volume not found');
    }
  });
  for (const probe of ['livenessProbe', 'readinessProbe', 'startupProbe']) {
    if (isRecord(container[probe])) {
      validateProbe(problems, `${field}.${probe}`, container[probe]);
    }
  }
}

function validateProbe(problems: Problems, field: string, probe: Json): void {
  const handlers = ['exec', 'httpGet', 'tcpSocket', 'grpc'].filter((handler) => isRecord(probe[handler]));
  if (handlers.length === 0) {
    problems.required(field, 'must specify a handler type');
  } else if (handlers.length > 1) {
    problems.forbidden(`${field}.${handlers[1]}`, 'may not specify more than 1 handler type');
  }
  for (const name of ['initialDelaySeconds', 'timeoutSeconds', 'periodSeconds', 'failureThreshold']) {
    problems.notNegative(`${field}.${name}`, probe[name]);
  }
}

/** Checks that an update of a pod changes only what a running pod can take. */
export function validatePodUpdate(problems: Problems, pod: KubeObject, previous: KubeObject): void {
  const before = frozenPart(previous.spec);
  const after = frozenPart(pod.spec);
  if (!equalJson(before, after)) {
    problems.forbidden('spec', IMMUTABLE);
  }
  const kept = arrayOf(previous.spec.tolerations).every((old) =>
    arrayOf(pod.spec.tolerations).some((toleration) => equalJson(toleration, old)),
  );
  if (!kept) {
    problems.forbidden('spec.tolerations', 'existing toleration can not be modified except its tolerationSeconds');
  }
}

function frozenPart(spec: Json): Json {
  const copy = cloneJson(spec);
  for (const container of [...arrayOf(copy.containers), ...arrayOf(copy.initContainers)]) {
    delete container.image;
  }
  const { activeDeadlineSeconds: _deadline, tolerations: _tolerations, ...frozen } = copy;
  return frozen;
}
