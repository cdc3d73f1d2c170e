import type { Environment } from '@marcbachmann/cel-js';
import { compileExpression, type Program } from '../../cel/compile.js';
import { kubernetesEnvironment } from '../../cel/environment.js';
import { fromJson } from '../../cel/values.js';
import type { StatusCause } from '../api-error.js';
import { arrayOf } from '../resources/pod-defaults.js';
import { Problems } from '../resources/problems.js';
import type { Json, KubeObject } from '../store/types.js';
import type { PolicyRequest } from './match.js';

/** Why a request is refused, and the reason of the Status that says so. */
export interface Denial {
  message: string;
  reason: string;
}

/** A ValidatingAdmissionPolicy with its expressions compiled. */
export interface CompiledPolicy {
  /** What is wrong with its expressions; nothing can be evaluated then. */
  causes: StatusCause[];
  /** What the policy has against a request that it matches; undefined when it has nothing. */
  deny(request: PolicyRequest): Denial | undefined;
}

type Values = Record<string, unknown>;

interface Check {
  expression: string;
  program: Program;
  text: Program | undefined;
  message: string | undefined;
  reason: string;
}

const VARIABLES = ['object', 'oldObject', 'request', 'namespaceObject', 'params', 'variables'];

let shared: Environment | undefined;

/** Without `authorizer`, which policies of a real cluster also have. */
function environment(): Environment {
  if (shared === undefined) {
    shared = kubernetesEnvironment('dynamic').clone();
    for (const name of VARIABLES) {
      shared.registerVariable(name, 'dyn');
    }
  }
  return shared;
}

/** Compiles what a policy says. Wrong expressions are among the causes, worded as a real server words them. */
export function compilePolicy({ spec }: KubeObject): CompiledPolicy {
  const problems = new Problems();
  const compile = (field: string, expression: Json): Program | undefined => {
    try {
      return compileExpression(environment(), String(expression ?? ''));
    } catch (error) {
      problems.invalid(field, expression, (error as Error).message);
      return undefined;
    }
  };
  const named = (list: string): [string, Program][] =>
    arrayOf(spec?.[list]).flatMap(({ name, expression }, index) => {
      const program = compile(`spec.${list}[${index}].expression`, expression);
      return program === undefined ? [] : [[name, program] as [string, Program]];
    });
  const conditions = named('matchConditions');
  const variables = named('variables');
  const checks = arrayOf(spec?.validations).flatMap((validation, index): Check[] => {
    const field = `spec.validations[${index}]`;
    const { expression, message, messageExpression, reason = 'Invalid' } = validation;
    const program = compile(`${field}.expression`, expression);
    const text = messageExpression ? compile(`${field}.messageExpression`, messageExpression) : undefined;
    return program === undefined ? [] : [{ expression, program, text, message, reason }];
  });
  const lenient = spec?.failurePolicy === 'Ignore';
  return {
    causes: problems.causes,
    deny(request) {
      const values = valuesOf(request);
      try {
        if (!conditions.every(([, condition]) => condition.evaluate(values) === true)) {
          return undefined;
        }
      } catch (error) {
        return lenient ? undefined : { message: (error as Error).message, reason: 'Invalid' };
      }
      addVariables(values, variables);
      return checks.map((check) => failure(check, values, lenient)).find((denial) => denial !== undefined);
    },
  };
}

function failure({ expression, program, text, message, reason }: Check, values: Values, lenient: boolean) {
  try {
    if (program.evaluate(values) === true) {
      return undefined;
    }
  } catch (error) {
    const why = `expression '${expression}' resulted in error: ${(error as Error).message}`;
    return lenient ? undefined : { message: why, reason };
  }
  return { message: computed(text, values) ?? message ?? `failed expression: ${expression}`, reason };
}

/** A message expression that fails is passed over. */
function computed(text: Program | undefined, values: Values): string | undefined {
  try {
    const message = text?.evaluate(values);
    return typeof message === 'string' && message !== '' ? message : undefined;
  } catch {
    return undefined;
  }
}

/** A variable that has no value is not there: only an expression that uses it fails. */
function addVariables(values: Values, variables: readonly [string, Program][]): void {
  const known = values.variables as Map<string, unknown>;
  for (const [name, program] of variables) {
    try {
      known.set(name, program.evaluate(values));
    } catch {
      known.delete(name);
    }
  }
}

function valuesOf(request: PolicyRequest): Values {
  const { object = null, oldObject = null, namespace = null } = request;
  return {
    object: fromJson(object),
    oldObject: fromJson(oldObject),
    namespaceObject: fromJson(namespace),
    params: null,
    variables: new Map(),
    request: fromJson(requestValue(request)),
  };
}

function requestValue(request: PolicyRequest): Json {
  const { group, version, resource, subresource, kind, name, namespace, operation, user, dryRun } = request;
  const { name: username, ...more } = user;
  const value = {
    kind: { group, version, kind },
    resource: { group, version, resource },
    requestKind: { group, version, kind },
    requestResource: { group, version, resource },
    subResource: subresource,
    requestSubResource: subresource,
    name,
    namespace: namespace?.metadata.name,
    operation,
    userInfo: { username, ...more },
    dryRun,
  };
  // Fields that are not set are absent to CEL.
  return JSON.parse(JSON.stringify(value));
}
