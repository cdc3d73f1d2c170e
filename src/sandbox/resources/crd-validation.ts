import { notImplemented } from '../api-error.js';
import { SchemaError } from '../schema/index.js';
import type { Json, KubeObject } from '../store/types.js';
import { typesOf } from './custom.js';
import { DNS_LABEL, DNS_LABEL_RULE, DNS_SUBDOMAIN, DNS_SUBDOMAIN_RULE } from './metadata-validation.js';
import { arrayOf } from './pod-defaults.js';
import type { Problems } from './problems.js';

/** Checks a CustomResourceDefinition, down to its schemas, rules and paths. */
export function validateDefinition(problems: Problems, definition: KubeObject, previous?: KubeObject): void {
  const { spec, metadata } = definition;
  if (typeof spec !== 'object') {
    problems.required('spec');
    return;
  }
  if (spec.conversion?.strategy === 'Webhook') {
    throw notImplemented('conversion of custom resources by a webhook');
  }
  const { names = {}, group } = spec;
  problems.matches('spec.group', group, DNS_SUBDOMAIN, DNS_SUBDOMAIN_RULE);
  problems.matches('spec.names.plural', names.plural, DNS_LABEL, DNS_LABEL_RULE);
  problems.matches('spec.names.kind', String(names.kind ?? '').toLowerCase(), DNS_LABEL, DNS_LABEL_RULE);
  problems.oneOf('spec.scope', spec.scope, ['Cluster', 'Namespaced']);
  if (metadata.name !== `${names.plural}.${group}`) {
    problems.invalid('metadata.name', metadata.name, 'must be spec.names.plural+"."+spec.group');
  }
  if (previous !== undefined) {
    for (const field of ['group', 'scope']) {
      if (previous.spec[field] !== spec[field]) {
        problems.invalid(`spec.${field}`, spec[field], 'field is immutable');
      }
    }
  }
  validateVersions(problems, arrayOf(spec.versions));
  if (problems.causes.length === 0) {
    compile(problems, definition);
  }
}

function validateVersions(problems: Problems, versions: Json[]): void {
  if (versions.filter((version) => version.storage).length !== 1) {
    problems.invalid(
      'spec.versions',
      versions.map(({ name }) => name),
      'must have exactly one version marked as storage version',
    );
  }
  const names = new Set<string>();
  versions.forEach((version, index) => {
    const field = `spec.versions[${index}]`;
    problems.matches(`${field}.name`, version.name, DNS_LABEL, DNS_LABEL_RULE);
    if (names.has(version.name)) {
      problems.duplicate(`${field}.name`, version.name);
    }
    names.add(version.name);
    if (version.schema?.openAPIV3Schema === undefined) {
      problems.required(`${field}.schema.openAPIV3Schema`, 'schemas are required');
    }
  });
}

/** Compiles what the CRD would be served with; whatever fails then is a cause now. */
function compile(problems: Problems, definition: KubeObject): void {
  const all = {
    ...definition.spec,
    versions: definition.spec.versions.map((version: Json) => ({ ...version, served: true })),
  };
  try {
    typesOf({ ...definition, spec: all });
  } catch (error) {
    if (error instanceof SchemaError) {
      problems.causes.push(...error.problems.map(({ field, reason, message }) => ({ field, reason, message })));
    } else {
      problems.forbidden('spec.versions', (error as Error).message);
    }
  }
}
