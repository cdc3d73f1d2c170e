import type { KubeObject } from '../store/types.js';
import { arrayOf } from './pod-defaults.js';
import { Problems } from './problems.js';
import type { ResourceType } from './resource-type.js';

/** A DNS label (RFC 1123): what containers, namespaces and services are called. */
export const DNS_LABEL = /^(?=.{1,63}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
export const DNS_LABEL_RULE =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
/** A DNS subdomain (RFC 1123): what most objects are called. */
export const DNS_SUBDOMAIN = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
export const DNS_SUBDOMAIN_RULE =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const SERVICE_NAME = /^(?=.{1,63}$)[a-z]([-a-z0-9]*[a-z0-9])?$/;
const SERVICE_NAME_RULE =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
/** RBAC names are free but for what would break a path. */
const PATH_SEGMENT = /^(?!\.\.?$)[^/%]+$/;
const PATH_SEGMENT_RULE = "may not be '.' or '..' and may not contain '/' or '%'";
const QUALIFIED_NAME =
  /^((?=[^/]{1,253}\/)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/)?(?=.{1,63}$)[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const QUALIFIED_NAME_RULE =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE = /^$|^(?=.{1,63}$)[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const LABEL_VALUE_RULE =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
/** Finalizers that need no domain (core `validateKubeFinalizerName`); custom kinds and their definitions take any. */
const STANDARD_FINALIZERS = ['kubernetes', 'orphan', 'foregroundDeletion'];
/** All keys and values of the annotations together. */
const MAX_ANNOTATIONS_BYTES = 256 * 1024;

function nameRule(type: ResourceType): [RegExp, string] {
  if (type.group === 'rbac.authorization.k8s.io') {
    return [PATH_SEGMENT, PATH_SEGMENT_RULE];
  }
  if (type.resource === 'services') {
    return [SERVICE_NAME, SERVICE_NAME_RULE];
  }
  return type.resource === 'namespaces' ? [DNS_LABEL, DNS_LABEL_RULE] : [DNS_SUBDOMAIN, DNS_SUBDOMAIN_RULE];
}

/** Checks the metadata of an object about to be stored. */
export function validateMetadata(type: ResourceType, object: KubeObject, previous: KubeObject | undefined) {
  const problems = new Problems();
  const { metadata } = object;
  const [pattern, rule] = nameRule(type);
  problems.matches('metadata.name', metadata.name, pattern, rule);
  for (const [key, value] of Object.entries(metadata.labels ?? {})) {
    problems.matches('metadata.labels', key, QUALIFIED_NAME, QUALIFIED_NAME_RULE);
    if (!LABEL_VALUE.test(value)) {
      problems.invalid('metadata.labels', value, LABEL_VALUE_RULE);
    }
  }
  validateAnnotations(problems, metadata.annotations ?? {});
  validateOwners(problems, metadata.ownerReferences);
  validateFinalizers(problems, type, object, previous);
  return problems.causes;
}

function validateAnnotations(problems: Problems, annotations: Record<string, string>): void {
  let size = 0;
  for (const [key, value] of Object.entries(annotations)) {
    problems.matches('metadata.annotations', key.toLowerCase(), QUALIFIED_NAME, QUALIFIED_NAME_RULE);
    size += key.length + value.length;
  }
  if (size > MAX_ANNOTATIONS_BYTES) {
    problems.invalid('metadata.annotations', '', `must have at most ${MAX_ANNOTATIONS_BYTES} bytes`);
  }
}

function validateOwners(problems: Problems, owners: unknown): void {
  const list = arrayOf(owners);
  list.forEach((owner, index) => {
    for (const field of ['apiVersion', 'kind', 'name', 'uid']) {
      if (!owner[field]) {
        problems.invalid(`metadata.ownerReferences[${index}].${field}`, owner[field] ?? '', 'must not be empty');
      }
    }
  });
  if (list.filter((owner) => owner.controller).length > 1) {
    problems.invalid('metadata.ownerReferences', owners, 'Only one reference can have Controller set to true');
  }
}

function validateFinalizers(
  problems: Problems,
  type: ResourceType,
  object: KubeObject,
  previous: KubeObject | undefined,
): void {
  const finalizers = object.metadata.finalizers ?? [];
  finalizers.forEach((finalizer, index) => {
    problems.matches('metadata.finalizers', finalizer, QUALIFIED_NAME, QUALIFIED_NAME_RULE);
    const isCore = type.admit === undefined && type.group !== 'apiextensions.k8s.io';
    if (isCore && !finalizer.includes('/') && !STANDARD_FINALIZERS.includes(finalizer)) {
      const why = 'name is neither a standard finalizer name nor is it fully qualified';
      problems.invalid(`metadata.finalizers[${index}]`, finalizer, why);
    }
  });
  if (previous?.metadata.deletionTimestamp === undefined) {
    return;
  }
  const added = finalizers.filter((finalizer) => !previous.metadata.finalizers?.includes(finalizer));
  if (added.length > 0) {
    const why = `no new finalizers can be added if the object is being deleted, found new finalizers ${JSON.stringify(added)}`;
    problems.forbidden('metadata.finalizers', why);
  }
}
