import { type Environment, Optional } from '@marcbachmann/cel-js';
import { compileExpression, type Program, walk } from '../../cel/compile.js';
import { kubernetesEnvironment } from '../../cel/environment.js';
import { costMessage, expressionCost, RULE_COST_LIMIT, SCHEMA_COST_LIMIT } from './cel-cost.js';
import { maxCardinality } from './cel-sizes.js';
import { type CelType, CelTypes } from './cel-types.js';
import { forbidden, invalid, notSupported, required } from './errors.js';
import { parseFieldPath } from './field-path.js';
import type { SchemaNode } from './node.js';
import type { FieldError, JsonSchema, Path, ValidationRule } from './types.js';

/** A compiled entry of `x-kubernetes-validations`. */
export interface Rule {
  source: ValidationRule;
  program: Program;
  message: Program | undefined;
  usesOldSelf: boolean;
  /** Where a failure is reported, below the rule's node. */
  fieldPath: Path;
}

/** The rules of one schema node and of what is below it. Subtrees without rules are left out. */
export interface RuleNode {
  schema: SchemaNode;
  type: CelType;
  rules: readonly Rule[];
  properties: ReadonlyMap<string, RuleNode>;
  items: RuleNode | undefined;
  values: RuleNode | undefined;
}

/** Where a node is in its schema, as far as rules care. */
interface Position {
  at: string;
  /** The type's name in messages. */
  hint: string;
  /** How often this node may occur in an object; undefined when a list or map above it is unbounded. */
  cardinality: number | undefined;
  /** The list or map that makes old and new values of this node impossible to match, if there is one. */
  uncorrelatable: string | undefined;
}

const REASONS = ['FieldValueInvalid', 'FieldValueForbidden', 'FieldValueRequired', 'FieldValueDuplicate'];

/** Compiles all CEL rules of a schema and estimates what they cost; what is wrong is added to `problems`. */
export function compileRules(root: SchemaNode, at: string, problems: FieldError[]): RuleNode | undefined {
  if (!hasRules(root.schema)) return undefined;
  const compiler = new RuleCompiler(problems);
  const node = compiler.compile(root, { at, hint: 'Self', cardinality: 1, uncorrelatable: undefined });
  if (compiler.totalCost > SCHEMA_COST_LIMIT) {
    problems.push(
      forbidden(
        at,
        costMessage(
          'x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema',
          compiler.totalCost,
          SCHEMA_COST_LIMIT,
        ),
      ),
    );
  }
  return node;
}

function hasRules(schema: JsonSchema): boolean {
  if ((schema['x-kubernetes-validations']?.length ?? 0) > 0) return true;
  const { items, additionalProperties } = schema;
  const children = [...Object.values(schema.properties ?? {}), items, additionalProperties];
  return children.some((child) => typeof child === 'object' && hasRules(child));
}

class RuleCompiler {
  totalCost = 0;
  readonly #types = new CelTypes(kubernetesEnvironment('static').clone());

  constructor(readonly problems: FieldError[]) {}

  compile(schema: SchemaNode, position: Position): RuleNode | undefined {
    if (!hasRules(schema.schema)) return undefined;
    // All types must be declared before the first expression is compiled: cloning freezes the environment.
    const type = this.#types.typeOf(schema, position.hint);
    const properties = new Map<string, RuleNode>();
    for (const [name, child] of schema.properties ?? []) {
      const node = this.compile(child, {
        ...position,
        at: `${position.at}.properties[${name}]`,
        hint: `${position.hint}.${name}`,
      });
      if (node) properties.set(name, node);
    }
    const items = schema.items && this.compile(schema.items, itemPosition(schema, position));
    const values = schema.additional && this.compile(schema.additional, valuePosition(schema, position));
    return { schema, type, rules: this.#compileRules(schema, type, position), properties, items, values };
  }

  #compileRules(schema: SchemaNode, type: CelType, position: Position): Rule[] {
    const sources = schema.schema['x-kubernetes-validations'] ?? [];
    return sources.flatMap((source, index) => {
      const at = `${position.at}.x-kubernetes-validations[${index}]`;
      const rule = this.#compileRule(source, schema, type, at, position);
      return rule ? [rule] : [];
    });
  }

  #compileRule(
    source: ValidationRule,
    schema: SchemaNode,
    type: CelType,
    at: string,
    position: Position,
  ): Rule | undefined {
    if (typeof source?.rule !== 'string' || source.rule.trim() === '') {
      this.problems.push(required(`${at}.rule`, 'rule is not specified'));
      return undefined;
    }
    this.#checkWording(source, at);
    const environment = this.#environmentFor(type, source.optionalOldSelf === true);
    const program = this.#compileProgram(environment, source.rule, 'bool', `${at}.rule`);
    const message = source.messageExpression
      ? this.#compileProgram(environment, source.messageExpression, 'string', `${at}.messageExpression`)
      : undefined;
    const fieldPath = this.#compileFieldPath(source, schema, at);
    if (!program) return undefined;
    const usesOldSelf = mentions(program, 'oldSelf') || (message !== undefined && mentions(message, 'oldSelf'));
    if (usesOldSelf && position.uncorrelatable !== undefined) {
      this.problems.push(
        invalid(
          `${at}.rule`,
          source.rule,
          `oldSelf cannot be used on the uncorrelatable portion of the schema within ${position.uncorrelatable}`,
        ),
      );
    }
    this.#charge(program, message, schema, at, position);
    return { source, program, message, usesOldSelf, fieldPath };
  }

  #checkWording({ message, reason }: ValidationRule, at: string): void {
    if (message !== undefined && message.trim() === '')
      this.problems.push(invalid(`${at}.message`, message, 'message must be non-empty if specified'));
    if (message !== undefined && /[\r\n]/.test(message.trim()))
      this.problems.push(invalid(`${at}.message`, message, 'message must not contain line breaks'));
    if (reason !== undefined && !REASONS.includes(reason))
      this.problems.push(notSupported(`${at}.reason`, reason, REASONS));
  }

  #environmentFor(type: CelType, optionalOldSelf: boolean): Environment {
    return this.#types.environment
      .clone()
      .registerVariable('self', type.name)
      .registerVariable('oldSelf', optionalOldSelf ? `optional<${type.name}>` : type.name);
  }

  #compileProgram(
    environment: Environment,
    source: string,
    result: 'bool' | 'string',
    at: string,
  ): Program | undefined {
    try {
      const program = compileExpression(environment, source);
      if (program.type === result || program.type === 'dyn') return program;
      const what =
        result === 'bool' ? 'cel expression must evaluate to a bool' : 'messageExpression must evaluate to a string';
      this.problems.push(invalid(at, source, what));
    } catch (error) {
      this.problems.push(invalid(at, source, (error as Error).message));
    }
    return undefined;
  }

  #compileFieldPath({ fieldPath }: ValidationRule, schema: SchemaNode, at: string): Path {
    if (fieldPath === undefined || fieldPath === '') return [];
    try {
      return parseFieldPath(fieldPath, schema);
    } catch (error) {
      this.problems.push(
        invalid(`${at}.fieldPath`, fieldPath, `fieldPath must be a valid path: ${(error as Error).message}`),
      );
      return [];
    }
  }

  #charge(program: Program, message: Program | undefined, schema: SchemaNode, at: string, position: Position): void {
    const cost = expressionCost(program.node, schema) * (position.cardinality ?? maxCardinality(schema));
    if (cost > RULE_COST_LIMIT)
      this.problems.push(forbidden(`${at}.rule`, costMessage('estimated rule cost', cost, RULE_COST_LIMIT)));
    const messageCost = message ? expressionCost(message.node, schema) : 0;
    if (messageCost > RULE_COST_LIMIT) {
      this.problems.push(
        forbidden(
          `${at}.messageExpression`,
          costMessage('estimated messageExpression cost', messageCost, RULE_COST_LIMIT),
        ),
      );
    }
    this.totalCost += cost + messageCost;
  }
}

function mentions(program: Program, variable: string): boolean {
  let found = false;
  walk(program.node, (node) => {
    found ||= node.op === 'id' && node.args === variable;
  });
  return found;
}

function itemPosition(list: SchemaNode, position: Position): Position {
  const at = `${position.at}.items`;
  const correlated = list.schema['x-kubernetes-list-type'] === 'map';
  return {
    at,
    hint: `${position.hint}.items`,
    cardinality: multiply(position.cardinality, list.schema.maxItems),
    uncorrelatable: position.uncorrelatable ?? (correlated ? undefined : position.at),
  };
}

function valuePosition(map: SchemaNode, position: Position): Position {
  const at = `${position.at}.additionalProperties`;
  return {
    ...position,
    at,
    hint: `${position.hint}.values`,
    cardinality: multiply(position.cardinality, map.schema.maxProperties),
  };
}

function multiply(cardinality: number | undefined, count: number | undefined): number | undefined {
  return cardinality === undefined || count === undefined ? undefined : cardinality * count;
}

/** The value of `oldSelf` for a rule; undefined when the rule does not apply without an old value. */
export function oldSelfValue(rule: Rule, hasOld: boolean, old: unknown): unknown {
  if (rule.source.optionalOldSelf) return hasOld ? Optional.of(old) : Optional.none();
  return old;
}
