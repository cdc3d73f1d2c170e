import { describe, expect, test } from '@jest/globals';
import { compileSchema, type JsonSchema } from './index.js';

function messages(spec: JsonSchema, value: unknown): string[] {
  const { errors } = compileSchema({ type: 'object', properties: { spec } }).apply({ spec: value });
  return errors.map(({ field, message }) => `${field}: ${message}`);
}

const string: JsonSchema = { type: 'string' };

describe('validation answers as kube-apiserver words them', () => {
  const cases: [string, JsonSchema, unknown, string[]][] = [
    [
      'a number above the maximum',
      { type: 'integer', maximum: 100 },
      101,
      ['spec: Invalid value: 101: spec in body should be less than or equal to 100'],
    ],
    [
      'a number at an exclusive minimum',
      { type: 'number', minimum: 0, exclusiveMinimum: true },
      0,
      ['spec: Invalid value: 0: spec in body should be greater than 0'],
    ],
    [
      'a number at an exclusive maximum',
      { type: 'number', maximum: 1, exclusiveMaximum: true },
      1,
      ['spec: Invalid value: 1: spec in body should be less than 1'],
    ],
    [
      'a number that is no multiple',
      { type: 'number', multipleOf: 0.1 },
      0.35,
      ['spec: Invalid value: 0.35: spec in body should be a multiple of 0.1'],
    ],
    [
      'a string for an integer',
      { type: 'integer' },
      'half',
      ['spec: Invalid value: "string": spec in body must be of type integer: "string"'],
    ],
    [
      'a fraction for an integer',
      { type: 'integer' },
      1.5,
      ['spec: Invalid value: "number": spec in body must be of type integer: "number"'],
    ],
    [
      'a list for an object',
      { type: 'object' },
      [],
      ['spec: Invalid value: "array": spec in body must be of type object: "array"'],
    ],
    [
      'null in a list',
      { type: 'array', items: string },
      [null],
      ['spec[0]: Invalid value: "null": spec[0] in body must be of type string: "null"'],
    ],
    [
      'a word outside the enumeration',
      { type: 'string', enum: ['a', 'b'] },
      'x',
      ['spec: Unsupported value: "x": supported values: "a", "b"'],
    ],
    ['a missing field', { type: 'object', required: ['a'], properties: { a: string } }, {}, ['spec.a: Required value']],
    [
      'a string that is too long',
      { type: 'string', maxLength: 3 },
      'abcd',
      ['spec: Too long: may not be more than 3 bytes'],
    ],
    [
      'a string that is too short',
      { type: 'string', minLength: 2 },
      '',
      ['spec: Invalid value: "": spec in body should be at least 2 chars long'],
    ],
    [
      'a string that does not match',
      { type: 'string', pattern: '^a+$' },
      'b',
      ['spec: Invalid value: "b": spec in body should match \'^a+$\''],
    ],
    [
      'too many items',
      { type: 'array', maxItems: 1, items: string },
      ['a', 'b'],
      ['spec: Too many: 2: must have at most 1 item'],
    ],
    [
      'too few items',
      { type: 'array', minItems: 1, items: string },
      [],
      ['spec: Invalid value: 0: spec in body should have at least 1 items'],
    ],
    [
      'too many properties',
      { type: 'object', maxProperties: 1, additionalProperties: string },
      { a: '', b: '' },
      ['spec: Too many: 2: must have at most 1 item'],
    ],
    [
      'a number beyond int32',
      { type: 'integer', format: 'int32' },
      2 ** 31,
      ['<nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec'],
    ],
    [
      'a date that does not exist',
      { type: 'string', format: 'date-time' },
      '2026-02-30T00:00:00Z',
      ['spec: Invalid value: "2026-02-30T00:00:00Z": spec in body must be of type date-time: "2026-02-30T00:00:00Z"'],
    ],
    [
      'the same item twice in a set',
      { type: 'array', 'x-kubernetes-list-type': 'set', items: string },
      ['a', 'b', 'a'],
      ['spec[2]: Duplicate value: "a"'],
    ],
    [
      'neither alternative',
      { type: 'object', properties: { a: string, b: string }, oneOf: [{ required: ['a'] }, { required: ['b'] }] },
      {},
      [
        '<nil>: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found none valid',
        'spec.a: Required value',
      ],
    ],
    [
      'both alternatives',
      { type: 'object', properties: { a: string, b: string }, oneOf: [{ required: ['a'] }, { required: ['b'] }] },
      { a: '', b: '' },
      ['<nil>: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found 2 valid alternatives'],
    ],
    [
      'a part of what must all hold',
      { type: 'object', properties: { a: string, b: string }, allOf: [{ required: ['a'] }, { required: ['b'] }] },
      { a: '' },
      ['spec.b: Required value', '<nil>: Invalid value: "": "spec" must validate all the schemas (allOf)'],
    ],
    [
      'null where an enumeration has none',
      { type: 'string', nullable: true, enum: ['a'] },
      null,
      ['spec: Unsupported value: null: supported values: "a"'],
    ],
    [
      'several faults of a string: only the first is told',
      { type: 'string', maxLength: 1, pattern: '^a$' },
      'bb',
      ['spec: Too long: may not be more than 1 bytes'],
    ],
    [
      'what is excluded',
      { type: 'string', not: { enum: ['no'] } },
      'no',
      ['<nil>: Invalid value: "": "spec" must not validate the schema (not)'],
    ],
    [
      'a boolean for int-or-string',
      { 'x-kubernetes-int-or-string': true },
      true,
      ['spec: Invalid value: "boolean": spec in body must be of type integer,string: "boolean"'],
    ],
  ];
  test.each(cases)('%s', (_, schema, value, expected) => {
    expect(messages(schema, value)).toEqual(expected);
  });

  test('the reason is the cause a client sees', () => {
    const schema = compileSchema({
      type: 'object',
      required: ['a', 'b'],
      properties: { a: string, b: { type: 'integer' } },
    });
    expect(schema.apply({ b: 'x' }).errors.map(({ reason, path }) => [reason, path])).toEqual([
      ['FieldValueRequired', ['a']],
      ['FieldValueTypeInvalid', ['b']],
    ]);
  });
});

describe('validation accepts', () => {
  const cases: [string, JsonSchema, unknown][] = [
    ['a whole number where a number is asked for', { type: 'number' }, 3],
    ['null where nullable', { type: 'string', nullable: true, maxLength: 2 }, null],
    [
      'a number and a string for int-or-string',
      {
        type: 'array',
        items: { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] },
      },
      [1, '50%'],
    ],
    ['as many characters as allowed, whatever their bytes', { type: 'string', maxLength: 2 }, '🦊é'],
    ['floating-point multiples', { type: 'number', multipleOf: 0.1 }, 0.3],
    ['a format it does not know', { type: 'string', format: 'colour' }, 'x'],
    [
      'an object equal to an enumerated one',
      { type: 'object', additionalProperties: { type: 'integer' }, enum: [{ a: 1, b: 2 }] },
      { b: 2, a: 1 },
    ],
    ['int64 values', { type: 'integer', format: 'int64' }, 9007199254740991],
  ];
  test.each(cases)('%s', (_, schema, value) => {
    expect(messages(schema, value)).toEqual([]);
  });

  test.each([
    ['date', '2024-02-29', '2023-02-29'],
    ['duration', '1h30m', '90'],
    ['ipv4', '10.0.0.1', '10.0.0.256'],
    ['ipv6', 'fe80::1', '10.0.0.1'],
    ['cidr', '10.0.0.0/8', '10.0.0.0/33'],
    ['uri', 'http://a/b?c', 'a b'],
    ['hostname', 'a.example', '-a'],
    ['email', 'a@b.example', 'a'],
    ['uuid', '123e4567-e89b-12d3-a456-426614174000', '123'],
    ['mac', '00:1b:44:11:3a:b7', '00:1b'],
    ['byte', 'aGk=', '*'],
  ])('format %s', (format, good, bad) => {
    expect(messages({ type: 'string', format }, good)).toEqual([]);
    expect(messages({ type: 'string', format }, bad)).toHaveLength(1);
  });
});

test('list-map items with equal keys are duplicates, a default key included', () => {
  const items: JsonSchema = {
    type: 'object',
    required: ['port'],
    properties: { port: { type: 'integer' }, protocol: { type: 'string', default: 'TCP' } },
  };
  const schema: JsonSchema = {
    type: 'array',
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['port', 'protocol'],
    items,
  };
  expect(messages(schema, [{ port: 80 }, { port: 80, protocol: 'UDP' }, { port: 80, protocol: 'TCP' }])).toEqual([
    'spec[2]: Duplicate value: {"port":80,"protocol":"TCP"}',
  ]);
});

test('a value given three times is told of once, and a list with an item of another type is not compared', () => {
  const items: JsonSchema = { type: 'object', required: ['name'], properties: { name: string } };
  const list: JsonSchema = {
    type: 'array',
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['name'],
    items,
  };
  const a = { name: 'a' };
  expect(messages(list, [a, a, a])).toEqual(['spec[1]: Duplicate value: {"name":"a"}']);
  expect(messages(list, [a, a, 1])).toEqual([
    'spec[2]: Invalid value: "integer": spec[2] in body must be of type object: "integer"',
  ]);
});

test('a pattern made to hang a backtracking engine answers at once', () => {
  const started = performance.now();
  expect(messages({ type: 'string', pattern: '^(a+)+$' }, `${'a'.repeat(5000)}b`)).toHaveLength(1);
  expect(performance.now() - started).toBeLessThan(2000);
});
