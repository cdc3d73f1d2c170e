import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { compileSchema, type JsonSchema, SchemaError } from './index.js';

function root(spec: JsonSchema, more: JsonSchema = {}): JsonSchema {
  return { type: 'object', properties: { spec }, ...more };
}

function apply(spec: JsonSchema, value: unknown) {
  return compileSchema(root(spec)).apply({ apiVersion: 'a/v1', kind: 'A', metadata: { name: 'a' }, spec: value });
}

describe('pruning', () => {
  test('drops unknown fields at every level and names them', () => {
    const schema: JsonSchema = {
      type: 'object',
      properties: { list: { type: 'array', items: { type: 'object', properties: { known: { type: 'string' } } } } },
    };
    const { object, unknown, errors } = apply(schema, { typo: 1, list: [{ known: 'x' }, { known: 'y', 'a.b/c': {} }] });
    expect(object.spec).toEqual({ list: [{ known: 'x' }, { known: 'y' }] });
    expect(unknown).toEqual(['spec.typo', 'spec.list[1][a.b/c]']);
    expect(errors).toEqual([]);
  });

  test('keeps apiVersion, kind and metadata at the root though the schema does not name them', () => {
    const { object, unknown } = apply({ type: 'object' }, {});
    expect(object).toEqual({ apiVersion: 'a/v1', kind: 'A', metadata: { name: 'a' }, spec: {} });
    expect(unknown).toEqual([]);
  });

  test('keeps all of metadata when the schema restricts the name', () => {
    const metadata: JsonSchema = { type: 'object', properties: { name: { type: 'string', maxLength: 3 } } };
    const schema = compileSchema({ type: 'object', properties: { metadata } });
    const { object, errors } = schema.apply({ metadata: { name: 'abcd', labels: { a: 'b' } } });
    expect(object.metadata).toEqual({ name: 'abcd', labels: { a: 'b' } });
    expect(errors.map(({ field }) => field)).toEqual(['metadata.name']);
  });

  test('keeps unknown fields where the schema preserves them, and prunes below known fields all the same', () => {
    const schema: JsonSchema = {
      type: 'object',
      'x-kubernetes-preserve-unknown-fields': true,
      properties: { closed: { type: 'object', properties: {} } },
    };
    const { object, unknown } = apply(schema, { free: { deep: [1] }, closed: { gone: 1 } });
    expect(object.spec).toEqual({ free: { deep: [1] }, closed: {} });
    expect(unknown).toEqual(['spec.closed.gone']);
  });

  test('keeps the resource fields of an embedded resource', () => {
    const schema: JsonSchema = {
      type: 'object',
      'x-kubernetes-embedded-resource': true,
      properties: { spec: { type: 'object', properties: {} } },
    };
    const { object, errors } = apply(schema, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { labels: { a: 'b' } },
      spec: { x: 1 },
    });
    expect(object.spec).toEqual({ apiVersion: 'v1', kind: 'Pod', metadata: { labels: { a: 'b' } }, spec: {} });
    expect(errors).toEqual([]);
    expect(apply(schema, { metadata: 5 }).errors.map(({ field }) => field)).toEqual([
      'spec.apiVersion',
      'spec.kind',
      'spec.metadata',
    ]);
  });

  test('shares nothing with the object given, and leaves it as it was', () => {
    const given = { spec: { a: { b: 1 }, gone: 1 } };
    const schema = compileSchema(
      root({ type: 'object', properties: { a: { type: 'object', additionalProperties: { type: 'integer' } } } }),
    );
    const { object } = schema.apply(given);
    object.spec.a.b = 2;
    expect(given).toEqual({ spec: { a: { b: 1 }, gone: 1 } });
  });

  test('takes a key named __proto__ as any other', () => {
    const map: JsonSchema = { type: 'object', additionalProperties: { type: 'string' } };
    const { object } = apply(map, JSON.parse('{"__proto__": "x"}'));
    expect(Object.keys(object.spec)).toEqual(['__proto__']);
    expect(({} as Record<string, unknown>).x).toBeUndefined();
  });
});

describe('defaulting', () => {
  const nested: JsonSchema = {
    type: 'object',
    default: {},
    properties: { retries: { type: 'integer', default: 3 }, note: { type: 'string', nullable: true, default: 'n' } },
  };

  test('fills in nested defaults where the parent has one', () => {
    expect(apply({ type: 'object', properties: { nested } }, {}).object.spec).toEqual({
      nested: { retries: 3, note: 'n' },
    });
  });

  test('a null takes the default unless the field is nullable', () => {
    const { object } = apply({ type: 'object', properties: { nested } }, { nested: { retries: null, note: null } });
    expect(object.spec).toEqual({ nested: { retries: 3, note: null } });
  });

  test('a null without a default is dropped', () => {
    const { object, errors } = apply({ type: 'object', properties: { a: { type: 'string' } } }, { a: null });
    expect(object.spec).toEqual({});
    expect(errors).toEqual([]);
  });

  test('works in list items and map values', () => {
    const schema: JsonSchema = {
      type: 'object',
      properties: { list: { type: 'array', items: nested }, map: { type: 'object', additionalProperties: nested } },
    };
    const { object } = apply(schema, { list: [{}, null], map: { a: { retries: 1 }, b: null } });
    expect(object.spec).toEqual({
      list: [
        { retries: 3, note: 'n' },
        { retries: 3, note: 'n' },
      ],
      map: { a: { retries: 1, note: 'n' }, b: { retries: 3, note: 'n' } },
    });
  });

  test('two objects never share a default', () => {
    const schema = compileSchema(root({ type: 'object', properties: { nested } }));
    const first = schema.apply({ spec: {} }).object;
    first.spec.nested.retries = 99;
    expect(schema.apply({ spec: {} }).object.spec.nested.retries).toBe(3);
  });

  test('a default that is not valid, or has unknown fields, is refused with the schema', () => {
    const spec: JsonSchema = {
      type: 'object',
      properties: {
        a: { type: 'integer', maximum: 5, default: 9 },
        b: { type: 'object', properties: {}, default: { x: 1 } },
      },
    };
    expect(() => compileSchema(root(spec))).toThrow(
      'properties[spec].properties[a].default: Invalid value: 9: <nil> in body should be less than or equal to 5',
    );
    expect(() => compileSchema(root(spec))).toThrow(
      'properties[b].default: Invalid value: {"x":1}: must not have unknown fields',
    );
  });
});

describe('refused schemas', () => {
  const cases: [string, JsonSchema, string][] = [
    [
      'a field without a type',
      { type: 'object', properties: { a: {} } },
      'properties[spec].properties[a].type: Required value: must not be empty for specified object fields',
    ],
    [
      'items without a type',
      { type: 'array', items: {} },
      'properties[spec].items.type: Required value: must not be empty for specified array items',
    ],
    ['an array without items', { type: 'array' }, 'properties[spec].items: Required value: must be specified'],
    ['a type that does not exist', { type: 'float' }, 'properties[spec].type: Unsupported value: "float"'],
    ['a reference', { type: 'object', $ref: '#/x' }, 'properties[spec].$ref: Forbidden: $ref is not supported'],
    [
      'additionalProperties: false',
      { type: 'object', additionalProperties: false },
      'additionalProperties cannot be set to false',
    ],
    [
      'properties beside additionalProperties',
      { type: 'object', properties: { a: { type: 'string' } }, additionalProperties: { type: 'string' } },
      'additionalProperties and properties are mutual exclusive',
    ],
    [
      'a pattern that RE2 does not have',
      { type: 'string', pattern: '(?=a)b' },
      'properties[spec].pattern: Invalid value: "(?=a)b": must be a valid regular expression',
    ],
    [
      'a type inside anyOf',
      { type: 'object', anyOf: [{ type: 'object' }] },
      'properties[spec].anyOf[0].type: Forbidden: must be empty to be structural',
    ],
    [
      'a list-map without keys',
      { type: 'array', items: { type: 'object' }, 'x-kubernetes-list-type': 'map' },
      'x-kubernetes-list-map-keys: Required value',
    ],
    [
      'a list-map whose key may be missing',
      {
        type: 'array',
        items: { type: 'object', properties: { k: { type: 'string' } } },
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['k'],
      },
      'items.properties[k].default: Required value',
    ],
    [
      'a set of objects',
      { type: 'array', items: { type: 'object' }, 'x-kubernetes-list-type': 'set' },
      'items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list',
    ],
    ['a negative bound', { type: 'string', maxLength: -1 }, 'properties[spec].maxLength: Invalid value: -1'],
  ];
  test.each(cases)('%s', (_, spec, problem) => {
    expect(() => compileSchema(root(spec))).toThrow(problem);
  });

  test('a property named only in a combination at the root', () => {
    const schema: JsonSchema = { type: 'object', properties: {}, anyOf: [{ properties: { a: { minimum: 1 } } }] };
    const at = 'spec.validation.openAPIV3Schema';
    expect(() => compileSchema(schema)).toThrow(
      `${at}.properties[a]: Required value: because it is defined in ${at}.anyOf[0].properties[a]`,
    );
  });

  test('all problems are listed at once, and fields begin where a real API server begins them', () => {
    try {
      compileSchema({
        type: 'array',
        items: { type: 'string' },
        properties: { metadata: { type: 'object', properties: { labels: { type: 'object' } } } },
      });
      throw new Error('the schema was accepted');
    } catch (error) {
      expect(error).toBeInstanceOf(SchemaError);
      const { problems } = error as SchemaError;
      expect(problems.map(({ field }) => field)).toEqual([
        'spec.validation.openAPIV3Schema.type',
        'spec.validation.openAPIV3Schema.properties[metadata]',
      ]);
    }
  });

  test('a schema beyond the size of a stored object', () => {
    const properties = Object.fromEntries(
      Array.from({ length: 20_000 }, (_, i) => [`field${i}`, { type: 'string', description: 'x'.repeat(80) }]),
    );
    expect(() => compileSchema(root({ type: 'object', properties }))).toThrow('Too long');
  });
});

describe('whatever is sent', () => {
  const leaf: JsonSchema = { 'x-kubernetes-int-or-string': true, default: 1 };
  const nullable: JsonSchema = { type: 'string', nullable: true, format: 'date-time' };
  const spec: JsonSchema = {
    type: 'object',
    properties: {
      a: { type: 'array', maxItems: 5, items: { type: 'object', properties: { b: leaf, c: nullable } } },
      b: { type: 'object', maxProperties: 5, additionalProperties: { type: 'integer', default: 2 } },
      c: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true, properties: { a: leaf } },
    },
    'x-kubernetes-validations': [
      { rule: '!has(self.a) || self.a.all(item, !has(item.c) || item.c.getFullYear() > 0)' },
      { rule: '!has(self.b) || self.b.all(key, self.b[key] != 7)', messageExpression: 'string(self.b.size())' },
      { rule: 'self == oldSelf' },
    ],
  };
  const key = fc.constantFrom('a', 'b', 'c', '__proto__', 'constructor', '');
  const leaves = fc.oneof(fc.constantFrom(null, 7, 1.5, true, 'x', '2026-01-01T00:00:00Z'), fc.integer());
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 5 },
      leaves,
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(key, tie('value'), { maxKeys: 4 }),
    ),
  }));

  test('applying never throws, and applying the result again changes nothing', () => {
    const schema = compileSchema(root(spec));
    fc.assert(
      fc.property(value, value, (given, old) => {
        const { object, errors } = schema.apply({ spec: given }, { spec: old });
        const again = schema.apply(object, { spec: old });
        expect(again.object).toEqual(object);
        expect(again.unknown).toEqual([]);
        expect(again.errors).toEqual(errors);
      }),
      { numRuns: 500 },
    );
  });
});
