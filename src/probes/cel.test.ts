import { describe, expect, test } from '@jest/globals';
import { checkExpression, Evaluator } from './cel.js';

const deployment = {
  metadata: { name: 'checkout', labels: { app: 'checkout' }, creationTimestamp: '2026-11-20T10:00:00Z' },
  spec: { replicas: 4, ratio: 0.5 },
  status: { availableReplicas: 3, conditions: [{ type: 'Available', status: 'True' }] },
  resources: { cpu: '500m', memory: '1Gi' },
};
const evaluator = new Evaluator();
const evaluate = (expression: string) => evaluator.evaluate(expression, { object: deployment });

describe('an expression over one object', () => {
  test.each([
    'object.status.availableReplicas >= 2',
    'object.status.availableReplicas + 1 == object.spec.replicas',
    'object.status.availableReplicas * 100 / object.spec.replicas == 75',
    'object.spec.ratio < 1.0',
    'object.status.conditions.exists(c, c.type == "Available" && c.status == "True")',
    'object.metadata.labels["app"].startsWith("check")',
    '!has(object.status.unavailableReplicas)',
    'object.status.?unavailableReplicas.orValue(0) == 0',
    'timestamp(object.metadata.creationTimestamp) < timestamp("2027-01-01T00:00:00Z")',
    'duration("1m30s") == duration("90s")',
    'quantity(object.resources.memory).isGreaterThan(quantity("1000Mi"))',
    'quantity(object.resources.cpu).compareTo(quantity("0.5")) == 0',
    'quantity("1").add(quantity("500m")).sub(quantity("1.5")).isLessThan(quantity("1n"))',
    'isQuantity("1Gi") && !isQuantity("1 GB")',
  ])('%s holds', (expression) => {
    expect(checkExpression(expression, 'object')).toBeUndefined();
    expect(evaluate(expression)).toEqual({ ok: true });
  });

  test('that is not true is a failure that names it', () => {
    expect(evaluate('object.status.availableReplicas >= 4')).toEqual({
      ok: false,
      detail: 'not true: object.status.availableReplicas >= 4',
    });
  });

  test('on a field that is not there fails, because the API server leaves out counts that are zero', () => {
    for (const expression of ['object.status.readyReplicas >= 1', 'object.status.conditions[5].status == "True"']) {
      const outcome = evaluate(expression);
      expect(outcome).toMatchObject({ ok: false, detail: expect.stringMatching(/No such key.*use has\(\)/) });
      expect(outcome.own).toBeUndefined();
    }
  });

  test.each([
    ['object.metadata.name', 'but gave a string'],
    ['object.spec', 'but gave an object'],
    ['object.spec.replicas', 'but gave a number'],
    ['object.metadata.name + 1 == 2', 'no such overload'],
    ['quantity(object.metadata.name).isLessThan(quantity("1"))', 'is not a quantity'],
  ])('%s does not fit the object, which is an error of ours', (expression, detail) => {
    expect(checkExpression(expression, 'object')).toBeUndefined();
    expect(evaluate(expression)).toMatchObject({ ok: false, own: true, detail: expect.stringContaining(detail) });
  });
});

describe('a message', () => {
  const secret = { password: 'hun"ter2', quantity: "2'Gi", n: 77_123, list: ['hun"ter2'] };

  test.each([
    'object.password',
    'object.n',
    'quantity(object.quantity).isGreaterThan(quantity("1"))',
    'url(object.password).getHost() == "x"',
    '"x".matches(object.password + "(")',
    'object[object.password] == 1',
    '{"a": 1}[object.password] == 1',
    'bool(object.password)',
    'int(object.password) == 1',
    'duration(object.password) == duration("1s")',
    'timestamp(object.password) == timestamp("2026-01-01T00:00:00Z")',
    'object.list.exists(each, int(each) == 1)',
    '["a"].join(object.n) == object.password',
    'dyn(object.password) ? true : false',
  ])('about %s holds no value of what was read', (expression) => {
    const { ok, detail = '' } = evaluator.evaluate(expression, { object: secret });
    expect(ok).toBe(false);
    expect(detail.replace(expression, '')).not.toMatch(/hun|ter2|2'Gi|77_?123/);
  });

  test('names the key that the expression names, and types', () => {
    expect(evaluate('object.spec.ready == 1').detail).toContain('No such key: ready');
    expect(evaluate('duration(object.metadata.name) == duration("1s")').detail).toContain('from string to');
    expect(evaluate('quantity(object.metadata.name).isLessThan(quantity("1"))').detail).toContain(
      "'…' is not a quantity",
    );
  });
});

describe('an expression over a list', () => {
  const objects = [{ restarts: 1 }, { restarts: 2 }];

  test.each([
    'objects.all(o, o.restarts < 3)',
    'objects.filter(o, o.restarts > 1).size() == 1',
    'objects.map(o, o.restarts).sum() == 3',
    'size(objects) == 2',
  ])('%s holds', (expression) => {
    expect(checkExpression(expression, 'objects')).toBeUndefined();
    expect(evaluator.evaluate(expression, { objects })).toEqual({ ok: true });
  });
});

describe('checking an expression', () => {
  test.each([
    ['object.status.', 'object', /^is not an expression over `object`: [^\n]*$/],
    ['objects.size() > 1', 'object', /Unknown variable: objects/],
    ['object.a == 1', 'objects', /Unknown variable: object/],
    ['object.status.isReady()', 'object', /no matching overload/],
    ['"ready"', 'object', /must be true or false, but gives a value of type string/],
    ['size(objects)', 'objects', /gives a value of type int/],
    ['objects.map(o, o.a)', 'objects', /gives a value of type list/],
  ] as const)('%s over %s is refused', (expression, variable, problem) => {
    expect(checkExpression(expression, variable)).toMatch(problem);
  });

  test('bounds its depth and its size', () => {
    expect(checkExpression(`${'('.repeat(60)}true${')'.repeat(60)}`, 'object')).toMatch(/maxDepth/);
    expect(checkExpression(`object.a == 1${' || object.a == 2'.repeat(500)}`, 'object')).toMatch(/maxAstNodes/);
  });
});
