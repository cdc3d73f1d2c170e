import { equalJson } from '../json.js';
import type { Json, KubeObject } from '../store/types.js';
import { arrayOf } from './pod-defaults.js';
import { validateContainer } from './pod-validation.js';
import type { Problems } from './problems.js';

const path = 'spec.ephemeralContainers';
/** As `allowedEphemeralContainerFields` of Kubernetes leaves them over. */
const forbiddenFields = [
  'ports',
  'resources',
  'resizePolicy',
  'restartPolicy',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'lifecycle',
];

/**
 * Checks what `pods/ephemeralcontainers` makes of a pod: containers can only be added, under names of their own
 * (k8s `ValidatePodEphemeralContainersUpdate`).
 */
export function validateEphemeralContainers(problems: Problems, pod: KubeObject, previous: KubeObject): void {
  const { spec } = pod;
  const volumes = arrayOf(spec.volumes).map(({ name }) => name);
  const names = new Set([...arrayOf(spec.initContainers), ...arrayOf(spec.containers)].map(({ name }) => name));
  const targets = new Set(names);
  const added = arrayOf(spec.ephemeralContainers);
  added.forEach((container, index) => {
    const field = `${path}[${index}]`;
    validateContainer(problems, field, container, volumes);
    if (names.has(container.name)) {
      problems.duplicate(`${field}.name`, container.name);
    }
    names.add(container.name);
    if (container.targetContainerName && !targets.has(container.targetContainerName)) {
      problems.notFound(`${field}.targetContainerName`, container.targetContainerName);
    }
    for (const name of forbiddenFields.filter((name) => isGiven(container[name]))) {
      problems.forbidden(`${field}.${name}`, 'cannot be set for an Ephemeral Container');
    }
  });
  for (const before of arrayOf(previous.spec.ephemeralContainers)) {
    const now = added.find(({ name }) => name === before.name);
    if (now === undefined) {
      problems.forbidden(path, `existing ephemeral containers ${JSON.stringify(before.name)} may not be removed\n`);
    } else if (!equalJson(now, before)) {
      problems.forbidden(path, `existing ephemeral containers ${JSON.stringify(before.name)} may not be changed\n`);
    }
  }
}

/** An empty list or object is what a client of typed objects sends for nothing. */
function isGiven(value: Json): boolean {
  return typeof value === 'object' && value !== null ? Object.keys(value).length > 0 : Boolean(value);
}
