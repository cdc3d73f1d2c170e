import { applyDefaults } from './defaults.js';
import { invalid, SchemaError, tooLong } from './errors.js';
import { evaluateRules } from './evaluate.js';
import { buildNode, type SchemaNode } from './node.js';
import { formatUnknown, prune } from './prune.js';
import { compileRules } from './rules.js';
import { structuralProblems } from './structural.js';
import type { FieldError, FieldReason, Json, JsonSchema } from './types.js';
import { validate, type Walk } from './validate.js';

export { formatPath, SchemaError } from './errors.js';
export type { FieldError, FieldReason, JsonSchema, Path, ValidationRule } from './types.js';

/** What the API server makes of an object before it stores it. */
export interface Applied {
  /** A deep copy, pruned and with defaults. */
  object: Json;
  /** The paths of the fields that were pruned. */
  unknown: string[];
  /** The same paths, step by step. */
  unknownPaths: (string | number)[][];
  errors: FieldError[];
}

/** A custom resource's schema, ready to be applied to many objects. */
export interface CompiledSchema {
  /** Prunes, fills in defaults and validates; `old` is the stored object of an update, for transition rules. */
  apply(object: Json, old?: Json): Applied;
}

/** Where problems of a schema are, as a real API server names the place. */
const ROOT = 'spec.validation.openAPIV3Schema';
const MAX_SCHEMA_BYTES = 1_500_000;

/** Errors after which the API server does not run the rules, which count on valid types. */
const BLOCKING: ReadonlySet<FieldReason> = new Set([
  'FieldValueTypeInvalid',
  'FieldValueRequired',
  'FieldValueNotSupported',
  'FieldValueTooLong',
  'FieldValueTooMany',
]);

/**
 * Compiles the `openAPIV3Schema` of a CRD version as kube-apiserver (1.30 to 1.34) does when a CRD is created.
 * @throws SchemaError listing every problem: not structural (KEP-2335), too big, a default that is not valid, a rule
 * that does not compile or may cost more than the CEL budget (KEP-2876)
 */
export function compileSchema(openAPIV3Schema: JsonSchema): CompiledSchema {
  const size = Buffer.byteLength(JSON.stringify(openAPIV3Schema) ?? '');
  if (size > MAX_SCHEMA_BYTES) throw new SchemaError([tooLong(ROOT, MAX_SCHEMA_BYTES)]);
  const problems = structuralProblems(openAPIV3Schema, ROOT);
  // The later checks count on a structural schema.
  if (problems.length > 0) throw new SchemaError(problems);
  const root = buildNode(openAPIV3Schema, true);
  checkDefaults(root, ROOT, problems);
  const rules = compileRules(root, ROOT, problems);
  if (problems.length > 0) throw new SchemaError(problems);

  return {
    apply(object, old) {
      const unknownPaths: (string | number)[][] = [];
      const copy = prune(root, object, [], unknownPaths);
      applyDefaults(root, copy);
      const walk: Walk = { path: [], errors: [] };
      validate(root, copy, walk);
      const { errors } = walk;
      if (rules) {
        if (errors.some(({ reason }) => BLOCKING.has(reason))) errors.push(rulesNotChecked());
        else errors.push(...evaluateRules(rules, copy, old));
      }
      return { object: copy, unknown: formatUnknown(unknownPaths), unknownPaths, errors };
    },
  };
}

function rulesNotChecked(): FieldError {
  return invalid(
    [],
    null,
    'some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
  );
}

function checkDefaults(node: SchemaNode, at: string, problems: FieldError[]): void {
  const { default: value } = node.schema;
  if (value !== undefined) {
    const unknown: (string | number)[][] = [];
    const copy = prune(node, value, [], unknown);
    for (const path of formatUnknown(unknown))
      problems.push(invalid(`${at}.default`, value, `must not have unknown fields: ${path}`));
    applyDefaults(node, copy);
    const walk: Walk = { path: [], errors: [] };
    validate(node, copy, walk);
    for (const { field, message } of walk.errors)
      problems.push(invalid(`${at}.default${field === '<nil>' ? '' : `.${field}`}`, value, message));
  }
  for (const [name, child] of node.properties ?? []) checkDefaults(child, `${at}.properties[${name}]`, problems);
  if (node.items) checkDefaults(node.items, `${at}.items`, problems);
  if (node.additional) checkDefaults(node.additional, `${at}.additionalProperties`, problems);
}
