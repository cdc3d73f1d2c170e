import { describe, expect, test } from '@jest/globals';
import { compileSchema, type JsonSchema, type ValidationRule } from './index.js';

function withRules(schema: JsonSchema, ...rules: (ValidationRule | string)[]): JsonSchema {
  return { ...schema, 'x-kubernetes-validations': rules.map((rule) => (typeof rule === 'string' ? { rule } : rule)) };
}

function compile(spec: JsonSchema) {
  return compileSchema({ type: 'object', properties: { spec } });
}

function messages(spec: JsonSchema, value: unknown, old?: unknown): string[] {
  const { errors } = compile(spec).apply({ spec: value }, old === undefined ? undefined : { spec: old });
  return errors.map(({ field, message }) => `${field}: ${message}`);
}

const string: JsonSchema = { type: 'string', maxLength: 20 };
const integer: JsonSchema = { type: 'integer' };
const object = (properties: Record<string, JsonSchema>, more: JsonSchema = {}): JsonSchema => ({
  type: 'object',
  properties,
  ...more,
});
const listMap = (items: JsonSchema): JsonSchema => ({
  type: 'array',
  maxItems: 10,
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': ['name'],
  items,
});

describe('rules', () => {
  const range = withRules(object({ min: integer, max: integer }), 'self.min <= self.max');

  test('that hold say nothing', () => {
    expect(messages(range, { min: 1, max: 2 })).toEqual([]);
  });

  test('that fail without a message show the rule', () => {
    expect(messages(range, { min: 3, max: 2 })).toEqual(['spec: Invalid value: failed rule: self.min <= self.max']);
  });

  test('that fail to evaluate say why', () => {
    expect(messages(range, { min: 3 })).toEqual([
      'spec: Invalid value: "object": no such key: max evaluating rule: self.min <= self.max',
    ]);
  });

  test('report message, field path and reason', () => {
    const rule = { rule: 'has(self.b)', message: 'b is needed', fieldPath: '.b', reason: 'FieldValueRequired' };
    expect(messages(withRules(object({ a: string, b: string }), rule), {})).toEqual([
      'spec.b: Required value: b is needed',
    ]);
  });

  test('compute a message, and fall back when that gives none', () => {
    const schema = withRules(object({ a: string }), {
      rule: 'false',
      message: 'plain',
      messageExpression: "'a is ' + self.a",
    });
    expect(messages(schema, { a: 'x' })).toEqual(['spec: Invalid value: a is x']);
    expect(messages(schema, {})).toEqual(['spec: Invalid value: plain']);
  });

  test('run on list items, map values and scalars with their own self', () => {
    const positive = withRules(integer, { rule: 'self > 0', message: 'must be positive' });
    const schema = object({
      list: { type: 'array', maxItems: 5, items: positive },
      map: { type: 'object', maxProperties: 5, additionalProperties: positive },
    });
    expect(messages(schema, { list: [1, 0], map: { 'a.b': -1 } })).toEqual([
      'spec.list[1]: Invalid value: 0: must be positive',
      'spec.map[a.b]: Invalid value: -1: must be positive',
    ]);
  });

  test('see durations, timestamps, bytes and int-or-string as CEL does', () => {
    const schema = withRules(
      object({
        timeout: { type: 'string', format: 'duration' },
        at: { type: 'string', format: 'date-time' },
        port: { 'x-kubernetes-int-or-string': true },
        ratio: { type: 'number' },
        maybe: { type: 'string', nullable: true, maxLength: 5 },
      }),
      "self.timeout == duration('90s')",
      'self.at.getFullYear() == 2026',
      'type(self.port) == int ? self.port == 80 : self.port == "http"',
      'self.ratio > 0.4',
      '!has(self.maybe)',
    );
    expect(
      messages(schema, { timeout: '1m30s', at: '2026-01-01T00:00:00Z', port: 80, ratio: 0.5, maybe: null }),
    ).toEqual([]);
    expect(
      messages(schema, { timeout: '1m', at: '2026-01-01T00:00:00Z', port: 'ftp', ratio: 1, maybe: null }),
    ).toHaveLength(2);
  });

  test('reach fields with names that CEL has no syntax for', () => {
    const schema = withRules(
      object({ 'a-b': integer, if: integer, 'c.d/e': integer, f__g: integer }),
      'self.a__dash__b + self.__if__ + self.c__dot__d__slash__e + self.f__underscores__g == 10',
    );
    expect(messages(schema, { 'a-b': 1, if: 2, 'c.d/e': 3, f__g: 4 })).toEqual([]);
  });

  test('take lists of type set for equal whatever their order, also inside objects', () => {
    const set: JsonSchema = { type: 'array', maxItems: 3, 'x-kubernetes-list-type': 'set', items: integer };
    const rules = [
      'self.a == self.b',
      'self.a == [2, 1]',
      '[self].all(x, x == self)',
      'self.a.sum() == 3 && self.a.max() == 2 && self.a.indexOf(2) == 1',
      "self.a.map(x, string(x)).join('') == '12' && self.a[0] == 1 && 2 in self.a && self.a.size() == 2",
    ];
    expect(messages(withRules(object({ a: set, b: set }), ...rules), { a: [1, 2], b: [2, 1] })).toEqual([]);
    const nested = withRules({ type: 'array', maxItems: 2, items: object({ a: set }) }, 'self[0] == self[1]');
    expect(messages(nested, [{ a: [1, 2] }, { a: [2, 1] }])).toEqual([]);
    expect(messages(nested, [{ a: [1, 2] }, { a: [2, 3] }])).toHaveLength(1);
  });

  test('hold for defaults too, or the schema is refused', () => {
    const positive = withRules({ type: 'integer', default: 0 }, 'self > 0');
    expect(() => compile(object({ a: positive }))).toThrow(
      'properties[a].default: Invalid value: 0: failed rule: self > 0',
    );
  });

  test('at the root see the name', () => {
    const schema = compileSchema(
      withRules({ type: 'object' }, { rule: 'self.metadata.name.size() <= 3', message: 'name is too long' }),
    );
    expect(schema.apply({ metadata: { name: 'abc' } }).errors).toEqual([]);
    expect(schema.apply({ metadata: { name: 'abcd' } }).errors).toMatchObject([
      { field: '<nil>', message: 'Invalid value: name is too long' },
    ]);
  });

  test('compare objects by value', () => {
    const inner = object({ a: integer, l: { type: 'array', maxItems: 3, items: integer } });
    const schema = withRules(
      { type: 'array', maxItems: 2, items: inner },
      'self[0] == self[1]',
      'self[0] in [self[1]]',
    );
    expect(
      messages(schema, [
        { a: 1, l: [1, 2] },
        { l: [1, 2], a: 1 },
      ]),
    ).toEqual([]);
    expect(
      messages(schema, [
        { a: 1, l: [1, 2] },
        { l: [2, 1], a: 1 },
      ]),
    ).toHaveLength(2);
  });

  test('run only when types, required fields and bounds are right', () => {
    expect(messages(range, { min: 'x', max: 1 })).toEqual([
      'spec.min: Invalid value: "string": spec.min in body must be of type integer: "string"',
      '<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
    ]);
  });
});

describe('transition rules', () => {
  const immutable = withRules(object({ a: string, b: string }), {
    rule: 'self.a == oldSelf.a',
    message: 'a is immutable',
  });

  test('do not apply when an object is created', () => {
    expect(messages(immutable, { a: 'x' })).toEqual([]);
  });

  test('compare with the stored object on an update', () => {
    expect(messages(immutable, { a: 'x', b: '2' }, { a: 'x', b: '1' })).toEqual([]);
    expect(messages(immutable, { a: 'y' }, { a: 'x' })).toEqual(['spec: Invalid value: a is immutable']);
  });

  test('see a change inside a map', () => {
    const labels: JsonSchema = { type: 'object', maxProperties: 3, additionalProperties: string };
    const schema = withRules(object({ labels }), { rule: 'self == oldSelf', message: 'is immutable' });
    expect(messages(schema, { labels: { b: '2', a: '1' } }, { labels: { a: '1', b: '2' } })).toEqual([]);
    expect(messages(schema, { labels: { a: '1' } }, { labels: { a: '2' } })).toEqual([
      'spec: Invalid value: is immutable',
    ]);
  });

  test('do not apply to a field that was not there before', () => {
    const schema = object({ a: withRules(string, 'self == oldSelf') });
    expect(messages(schema, { a: 'x' }, {})).toEqual([]);
    expect(messages(schema, { a: 'x' }, { a: 'y' })).toHaveLength(1);
  });

  test('with optionalOldSelf apply on creation too', () => {
    const schema = withRules(string, { rule: "oldSelf.hasValue() || self == 'new'", optionalOldSelf: true });
    expect(messages(schema, 'other')).toHaveLength(1);
    expect(messages(schema, 'new')).toEqual([]);
    expect(messages(schema, 'other', 'x')).toEqual([]);
    expect(
      messages(withRules(integer, { rule: 'oldSelf.orValue(self) <= self', optionalOldSelf: true }), 1, 2),
    ).toHaveLength(1);
  });

  test('correlate the items of list-maps by key, wherever they moved', () => {
    const item = withRules(object({ name: string, size: integer }, { required: ['name'] }), {
      rule: 'self.size >= oldSelf.size',
      message: 'must not shrink',
    });
    const schema = listMap(item);
    const old = [
      { name: 'a', size: 5 },
      { name: 'b', size: 1 },
    ];
    expect(
      messages(
        schema,
        [
          { name: 'b', size: 2 },
          { name: 'a', size: 4 },
          { name: 'c', size: 0 },
        ],
        old,
      ),
    ).toEqual(['spec[1]: Invalid value: must not shrink']);
  });

  test('are refused inside lists whose items cannot be told apart', () => {
    const schema: JsonSchema = { type: 'array', maxItems: 3, items: withRules(string, 'self == oldSelf') };
    expect(() => compile(schema)).toThrow(
      'oldSelf cannot be used on the uncorrelatable portion of the schema within spec.validation.openAPIV3Schema.properties[spec]',
    );
  });
});

describe('rules refused with the schema', () => {
  const at = 'spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0]';
  const cases: [string, JsonSchema, string][] = [
    [
      'a field that does not exist',
      withRules(object({ a: string }), 'self.b == 1'),
      `${at}.rule: Invalid value: "self.b == 1": compilation failed: ERROR: <input>:1:6: undefined field 'b'`,
    ],
    ['a field that does not exist, in has()', withRules(object({ a: string }), 'has(self.b)'), "undefined field 'b'"],
    [
      'what is inside an object of unknown fields',
      withRules(object({ a: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } }), 'self.a.b == 1'),
      "undefined field 'b'",
    ],
    [
      'a nullable field compared with null: it counts as absent',
      withRules(object({ a: { ...string, nullable: true } }), 'self.a == null'),
      'no such overload: string == null',
    ],
    ['a variable that does not exist', withRules(string, 'slef == ""'), "undeclared reference to 'slef'"],
    ['broken syntax', withRules(string, 'self =='), 'compilation failed'],
    ['types that do not fit', withRules(string, 'self > 1'), 'no such overload: string > int'],
    ['a rule that gives a string', withRules(string, 'self'), 'cel expression must evaluate to a bool'],
    [
      'a message that is no string',
      withRules(string, { rule: 'true', messageExpression: '1' }),
      'messageExpression: Invalid value: "1": messageExpression must evaluate to a string',
    ],
    ['an empty rule', withRules(string, ' '), `${at}.rule: Required value`],
    ['an unknown reason', withRules(string, { rule: 'true', reason: 'Nope' }), 'reason: Unsupported value: "Nope"'],
    [
      'a field path that leads nowhere',
      withRules(object({ a: string }), { rule: 'true', fieldPath: '.b' }),
      'fieldPath: Invalid value: ".b": fieldPath must be a valid path: does not refer to a valid field: b',
    ],
  ];
  test.each(cases)('%s', (_, schema, problem) => {
    expect(() => compile(schema)).toThrow(problem);
  });
});

test('sixty objects of a hundred targets are checked well within a second', () => {
  const target = withRules(
    object({ name: { ...string, pattern: '^[a-z0-9-]+$' }, state: { type: 'string', enum: ['Pending', 'Done'] } }),
    "self.name != '' || self.state == 'Done'",
  );
  const schema = compile(object({ targets: { ...listMap({ ...target, required: ['name'] }), maxItems: 100 } }));
  const targets = Array.from({ length: 100 }, (_, index) => ({ name: `checkout-${index}`, state: 'Pending' }));
  const started = performance.now();
  for (let count = 0; count < 60; count++) expect(schema.apply({ spec: { targets } }).errors).toEqual([]);
  expect(performance.now() - started).toBeLessThan(1000);
});
