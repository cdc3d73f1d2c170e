import { describe, expect, test } from '@jest/globals';
import { compileSchema, type JsonSchema } from './index.js';

function withRules(schema: JsonSchema, ...rules: string[]): JsonSchema {
  return { ...schema, 'x-kubernetes-validations': rules.map((rule) => ({ rule })) };
}

function compile(spec: JsonSchema) {
  return compileSchema({ type: 'object', properties: { spec } });
}

const string: JsonSchema = { type: 'string', maxLength: 20 };
const integer: JsonSchema = { type: 'integer' };
const object = (properties: Record<string, JsonSchema>): JsonSchema => ({ type: 'object', properties });

describe('the cost budget', () => {
  const rules = 'self.all(a, self.exists(b, a == b))';

  test('refuses a nested loop over an unbounded list, as the API server says it', () => {
    const schema = withRules({ type: 'array', items: { type: 'string' } }, rules);
    expect(() => compile(schema)).toThrow(
      'rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)',
    );
  });

  test('accepts it once list and strings are bounded', () => {
    expect(() => compile(withRules({ type: 'array', maxItems: 20, items: string }, rules))).not.toThrow();
  });

  test('counts how often a rule may run: on items of an unbounded list', () => {
    const item = withRules({ type: 'string' }, "self.contains('x')");
    expect(() => compile({ type: 'array', items: item })).toThrow('estimated rule cost exceeds budget');
    expect(() => compile({ type: 'array', maxItems: 100, items: { ...item, maxLength: 100 } })).not.toThrow();
  });

  test('adds up all rules of a schema', () => {
    const lists = Object.fromEntries(
      Array.from({ length: 30 }, (_, index) => [
        `l${index}`,
        withRules({ type: 'array', maxItems: 1000, items: integer }, 'self.all(a, self.exists(b, a == b))'),
      ]),
    );
    expect(() => compile(object(lists))).toThrow(
      'x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of',
    );
  });

  test('knows the size of a map entry by its index only, as the API server does', () => {
    const map: JsonSchema = {
      type: 'object',
      maxProperties: 3,
      additionalProperties: { type: 'array', maxItems: 3, items: string },
    };
    expect(() => compile(withRules(map, "self['a'].exists(x, x == 'x')"))).not.toThrow();
    expect(() => compile(withRules(map, "self.a.exists(x, x == 'x')"))).toThrow('estimated rule cost exceeds budget');
  });

  test('has no quarrel with a direct look at an unbounded field', () => {
    expect(() => compile(withRules({ type: 'array', items: { type: 'string' } }, 'self.size() > 0'))).not.toThrow();
  });
});
