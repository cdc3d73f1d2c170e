import { describe, expect, test } from '@jest/globals';
import { checkExpression, Evaluator } from './cel.js';

// As kubectl get -o json shows them, shortened only where nothing is read.
const deployment = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: {
    annotations: { 'deployment.kubernetes.io/revision': '7' },
    creationTimestamp: '2026-11-20T10:00:00Z',
    generation: 7,
    labels: { app: 'checkout', 'app.kubernetes.io/version': 'v1.24.3', constructor: 'helm' },
    name: 'checkout',
    namespace: 'shop',
    uid: '0b2f4fd4-6f0f-4f4e-8c6e-0f3b1f8b9b55',
  },
  spec: {
    replicas: 4,
    selector: { matchLabels: { app: 'checkout' } },
    strategy: { rollingUpdate: { maxSurge: '25%', maxUnavailable: 1 }, type: 'RollingUpdate' },
    template: {
      metadata: { creationTimestamp: null, labels: { app: 'checkout' } },
      spec: {
        containers: [
          {
            name: 'web',
            image: 'registry.example/checkout:v1.24.3',
            env: [{ name: 'PORT', value: '8080' }, { name: 'TOKEN' }],
            ports: [{ containerPort: 8080, protocol: 'TCP' }],
            resources: { limits: { cpu: '500m', memory: '1Gi' }, requests: { cpu: '250m', memory: '512Mi' } },
          },
          { name: 'proxy', image: 'registry.example/proxy:2' },
        ],
        terminationGracePeriodSeconds: 30,
      },
    },
  },
  status: {
    availableReplicas: 3,
    conditions: [
      {
        type: 'Available',
        status: 'True',
        lastTransitionTime: '2026-11-20T10:00:30Z',
        lastUpdateTime: '2026-11-20T10:00:30Z',
        reason: 'MinimumReplicasAvailable',
        message: 'Deployment has minimum availability.',
      },
      { type: 'Progressing', status: 'True', lastTransitionTime: '2026-11-20T10:00:00Z' },
    ],
    observedGeneration: 7,
    readyReplicas: 3,
    replicas: 4,
    unavailableReplicas: 1,
  },
};

const pod = (name: string, phase: string, restarts: number, more: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'shop', labels: { app: 'checkout' }, ...more },
  spec: { nodeName: `node-${name}`, containers: [{ name: 'web' }] },
  status: { phase, containerStatuses: [{ name: 'web', ready: phase === 'Running', restartCount: restarts }] },
});
const pods = [
  pod('a', 'Running', 0),
  pod('b', 'Running', 2),
  pod('c', 'Pending', 0, { deletionTimestamp: '2026-11-20T11:00:00Z' }),
];

const evaluator = new Evaluator();
const overObject = (expression: string) => evaluator.evaluate(expression, { object: deployment });
const overObjects = (expression: string) => evaluator.evaluate(expression, { objects: pods });

describe('an expression over a Deployment', () => {
  test.each([
    // has() on what is nested, indexed, escaped or not there
    'has(object.spec.template.spec.containers[0].resources.limits)',
    '!has(object.spec.template.spec.containers[1].resources)',
    "has(object.metadata.annotations) && !has(object.metadata.annotations.missing) && has({'a': object}.a.kind)",
    "'deployment.kubernetes.io/revision' in object.metadata.annotations && !('x' in object.metadata.labels)",
    'has(object.spec.paused) ? object.spec.paused : true',
    '!has(object.metadata.deletionTimestamp) || object.status.availableReplicas == 0',
    'has(object.spec.template.metadata.creationTimestamp) && object.spec.template.metadata.creationTimestamp == null',
    // optional fields
    'object.status.?terminatingReplicas.orValue(0) == 0 && object.?status.?readyReplicas.orValue(0) == 3',
    "object.metadata.labels[?'app'].orValue('') == 'checkout' && object.metadata.labels[?'x'].orValue('y') == 'y'",
    '!object.spec.?paused.hasValue() && object.spec.?paused.or(object.spec.?replicas).value() == 4',
    'object.spec.template.spec.containers[?5].orValue({"name": "none"}).name == "none"',
    // labels
    "object.metadata.labels['app.kubernetes.io/version'] == 'v1.24.3'",
    "object.metadata.labels.constructor == 'helm' && object.metadata.labels.exists(key, key == 'constructor')",
    'object.spec.selector.matchLabels.all(k, object.metadata.labels[k] == object.spec.selector.matchLabels[k])',
    'object.spec.selector.matchLabels == object.spec.template.metadata.labels',
    'object.spec.selector.matchLabels == {"app": "checkout"} && object.metadata.labels.size() == 3',
    // conditions
    "object.status.conditions.exists(c, c.type == 'Available' && c.status == 'True')",
    "object.status.conditions.filter(c, c.type == 'Available')[0].reason == 'MinimumReplicasAvailable'",
    "object.status.conditions.exists_one(c, c.type == 'Progressing') && object.status.conditions.map(c, c.type).size() == 2",
    "object.status.conditions.all(c, !has(c.reason) || c.reason.startsWith('Minimum'))",
    "['True', 'Unknown'].exists(s, s == object.status.conditions[0].status)",
    "object.status.conditions[0].type in ['Available', 'Progressing']",
    // whole numbers of JSON are ints, and compare with doubles
    'object.status.availableReplicas >= 2 && object.status.availableReplicas > 2.5',
    'object.status.replicas / 3 == 1 && object.status.replicas % 3 == 1 && -object.status.replicas == -4',
    'object.status.availableReplicas * 100 / object.spec.replicas >= 75',
    'double(object.status.availableReplicas) / double(object.spec.replicas) == 0.75',
    'object.spec.replicas == 4.0 && object.spec.replicas != 4.5 && type(object.spec.replicas) == int',
    'object.status.observedGeneration >= object.metadata.generation',
    "int(object.metadata.annotations['deployment.kubernetes.io/revision']) == object.metadata.generation",
    "string(object.spec.replicas) == '4' && object.spec.replicas != '4'",
    '[object.status.readyReplicas, object.status.availableReplicas, 2].min() == 2',
    '[object.status.readyReplicas, 0.5].max() == 3 && [object.status.readyReplicas, 0.5].sum() == 3.5',
    // values of several types
    "dyn(object.spec.strategy.rollingUpdate.maxUnavailable) == 1 && object.spec.strategy.rollingUpdate.maxSurge == '25%'",
    "type(object.spec.strategy.rollingUpdate.maxSurge) == string ? object.spec.strategy.rollingUpdate.maxSurge.endsWith('%') : true",
    "[1, 'a', object.kind].size() == 3 && object.kind in [1, 'Deployment']",
    // times
    "timestamp(object.metadata.creationTimestamp) < timestamp('2026-11-20T10:00:01Z')",
    "timestamp(object.status.conditions[0].lastTransitionTime) - timestamp(object.metadata.creationTimestamp) <= duration('30s')",
    "timestamp(object.metadata.creationTimestamp) + duration('1h') == timestamp('2026-11-20T11:00:00Z')",
    'string(timestamp(object.metadata.creationTimestamp)) == object.metadata.creationTimestamp',
    "timestamp(object.metadata.creationTimestamp).getFullYear() == 2026 && int(duration('1m30s')) == 90",
    "duration(string(object.spec.template.spec.terminationGracePeriodSeconds) + 's') == duration('0.5m')",
    // quantities
    "quantity('1Gi').isGreaterThan(quantity('1G'))",
    'object.spec.template.spec.containers.filter(c, has(c.resources)).all(c, quantity(c.resources.limits.memory).isGreaterThan(quantity(c.resources.requests.memory)))',
    "quantity(object.spec.template.spec.containers[0].resources.limits.cpu) == quantity('0.5')",
    "quantity('1Gi').sub(quantity('512Mi')).compareTo(quantity(object.spec.template.spec.containers[0].resources.requests.memory)) == 0",
    // text
    "object.spec.template.spec.containers[0].image.split(':')[1].matches('^v[0-9]+([.][0-9]+){2}$')",
    "object.metadata.name.upperAscii() == 'CHECKOUT' && object.metadata.name.substring(5) == 'out'",
    "object.spec.template.spec.containers.map(c, c.name).join(',') == 'web,proxy'",
    "object.metadata.labels['app.kubernetes.io/version'].find('[0-9]+') == '1' && object.metadata.uid.size() == 36",
    "'%s/%d'.format([object.metadata.name, object.spec.replicas]) == 'checkout/4'",
    "object.status.conditions[0].message.lowerAscii().contains('availability') && object.kind.replace('Deploy', '') == 'ment'",
    "url('http://' + object.metadata.name + ':8080/x').getPort() == '8080'",
    // lists and sets of values that are maps
    "object.spec.template.spec.containers[0].env.indexOf({'name': 'TOKEN'}) == 1",
    "sets.contains(object.spec.template.spec.containers[0].ports, [{'protocol': 'TCP', 'containerPort': 8080}])",
    "sets.intersects(object.status.conditions.map(c, c.type), ['Available'])",
    "object.spec.template.spec.containers[0].ports[0] == {'protocol': 'TCP', 'containerPort': 8080}",
    'object.spec.template.spec.containers.lastIndexOf(object.spec.template.spec.containers[1]) == 1',
    'cel.bind(wanted, object.spec.replicas - 1, object.status.readyReplicas >= wanted)',
  ])('%s holds', (expression) => {
    expect(checkExpression(expression, 'object')).toBeUndefined();
    expect(overObject(expression)).toEqual({ ok: true });
  });

  test.each([
    'object.status.availableReplicas >= 4',
    'has(object.spec.template.spec.containers[1].resources)',
    "object.spec.template.spec.containers[0].env.indexOf({'name': 'OTHER'}) == 1",
    "sets.contains(object.status.conditions, [{'type': 'Available'}])",
    "object.spec.replicas == '4'",
  ])('%s does not hold', (expression) => {
    expect(overObject(expression)).toEqual({ ok: false, detail: `not true: ${expression}` });
  });

  test.each([
    ['object.status.terminatingReplicas == 0', 'No such key: terminatingReplicas'],
    ["object.metadata.labels['a/b'] == 'c'", 'No such key: a/b'],
    ["object.status.conditions.filter(c, c.type == 'Ready')[0].status == 'True'", 'index out of bounds, index 0'],
    ['has(object.status.loadBalancer.ingress)', 'No such key: loadBalancer'],
  ])('%s misses a field, which is a failure of the sample', (expression, problem) => {
    expect(checkExpression(expression, 'object')).toBeUndefined();
    const outcome = overObject(expression);
    expect(outcome).toEqual({ ok: false, detail: expect.stringContaining(problem) });
    expect(outcome).toHaveProperty('detail', expect.stringContaining('(to allow for it use has()'));
  });

  test.each([
    ['object.spec.strategy.rollingUpdate.maxSurge > 1', 'no such overload'],
    ["object.metadata.name.matches('(')", 'missing closing )'],
    ["object.spec.replicas.matches('4')", 'found no matching overload for'],
    ["duration(object.metadata.name) > duration('1s')", 'type conversion error from string'],
    ['object.metadata.labels.map(k, object.metadata.labels[k]).sum() == 3', 'values that are not all numbers'],
    ["['a', object.spec.replicas].max() == 'a'", 'values that have no order among each other'],
    ['object.spec.replicas / 0 == 1', 'division by zero'],
    ['object.spec.replicas + 0.5 == 4.5', 'no such overload'],
  ])('%s does not fit, which is an error of ours', (expression, problem) => {
    expect(checkExpression(expression, 'object')).toBeUndefined();
    expect(overObject(expression)).toEqual({ ok: false, own: true, detail: expect.stringContaining(problem) });
  });
});

describe('an expression over Pods', () => {
  test.each([
    "objects.filter(p, p.status.phase == 'Running').size() >= 2",
    "!objects.all(p, p.status.phase == 'Running')",
    "objects.filter(p, !has(p.metadata.deletionTimestamp)).all(p, p.status.phase == 'Running')",
    'has(objects[0].status.phase) && !has(objects[0].metadata.deletionTimestamp) && has(objects[2].metadata.deletionTimestamp)',
    'objects.all(p, p.status.containerStatuses.all(c, c.restartCount < 3))',
    'objects.map(p, p.status.containerStatuses.map(c, c.restartCount).sum()).sum() == 2',
    'objects.map(p, p.status.containerStatuses[0].restartCount).max() == 2',
    "objects.exists_one(p, p.metadata.name == 'a') && objects.map(p, p.metadata.name) == ['a', 'b', 'c']",
    "objects.map(p, p.status.phase == 'Running', p.spec.nodeName).size() * 100 / objects.size() >= 66",
    'objects.map(p, p.metadata.name).isSorted() && size(objects) == 3',
    'objects.all(p, objects.filter(o, o.spec.nodeName == p.spec.nodeName).size() == 1)',
    'objects.filter(p, p.kind == "Service").map(p, p.spec.port).sum() == 0',
  ])('%s holds', (expression) => {
    expect(checkExpression(expression, 'objects')).toBeUndefined();
    expect(overObjects(expression)).toEqual({ ok: true });
  });
});

describe('checking an expression', () => {
  test.each([
    ['object.status.replicas >= ', 'Unexpected token: EOF at line 1, column 27'],
    [
      'object.kind == "Deployment" &&\n  objets.size() > 0',
      'Unknown variable: objets at line 2, column 3: a probe with',
    ],
    ["object.metadata.name.lowerascii() == 'a'", "found no matching overload for 'dyn.lowerascii()' at line 1"],
    ['matches(1, object.kind)', "found no matching overload for 'matches(int, dyn)'"],
    ['duration(1) == duration("1s")', "found no matching overload for 'duration(int)'"],
    ['has(object)', 'has() invalid argument'],
    ['1 + "a" == 2', 'no such overload: int + string'],
    ['object.a && 1', 'Logical operator requires bool operands'],
    ['object.spec.replicas + 1', 'gives a value of type int'],
    ["quantity('1Gi')", 'gives a value of type Quantity'],
    ['timestamp(object.metadata.creationTimestamp)', 'gives a value of type google.protobuf.Timestamp'],
    ['object.metadata.name.size()', 'gives a value of type int'],
    ['object.?status', 'gives a value of type optional'],
    ['null', 'gives a value of type null'],
  ])('says of %j: %j', (expression, problem) => {
    const found = checkExpression(expression, 'object');
    expect(found).toContain(problem);
    expect(found).not.toContain('\n');
  });
});

test('a pattern or a duration made to hang answers at once', () => {
  const object = { text: `${'a'.repeat(5000)}b`, digits: '1'.repeat(5000) };
  const started = performance.now();
  expect(evaluator.evaluate("object.text.matches('^(a+)+$')", { object })).toMatchObject({ ok: false });
  expect(evaluator.evaluate("duration(object.digits) > duration('1s')", { object })).toMatchObject({ own: true });
  expect(performance.now() - started).toBeLessThan(2000);
});
