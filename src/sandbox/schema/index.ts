import { applyDefaults } from './defaults.js';
import { invalid, SchemaError, tooLong } from './errors.js';
import { evaluateRules } from './evaluate.js';
import { buildNode, type SchemaNode } from './node.js';
import { formatUnknown, prune } from './prune.js';
import { compileRules, type RuleNode } from './rules.js';
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
  const rules = compileRules(root, ROOT, problems);
  checkDefaults(root, rules, ROOT, problems);
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

function checkDefaults(node: SchemaNode, rules: RuleNode | undefined, at: string, problems: FieldError[]): void {
  if (node.schema.default !== undefined) problems.push(...defaultProblems(node, rules, `${at}.default`));
  for (const [name, child] of node.properties ?? []) {
    checkDefaults(child, rules?.properties.get(name), `${at}.properties[${name}]`, problems);
  }
  if (node.items) checkDefaults(node.items, rules?.items, `${at}.items`, problems);
  if (node.additional) checkDefaults(node.additional, rules?.values, `${at}.additionalProperties`, problems);
}

function defaultProblems(node: SchemaNode, rules: RuleNode | undefined, at: string): FieldError[] {
  const unknown: (string | number)[][] = [];
  const copy = prune(node, node.schema.default, [], unknown);
  if (unknown.length > 0) return [invalid(at, node.schema.default, 'must not have unknown fields')];
  applyDefaults(node, copy);
  const walk: Walk = { path: [], errors: [] };
  validate(node, copy, walk);
  if (rules && walk.errors.length === 0) walk.errors.push(...evaluateRules(rules, copy, undefined));
  return walk.errors.map((error) => ({
    ...error,
    field: error.path.length === 0 ? at : `${at}.${error.field}`,
    path: [],
  }));
}
