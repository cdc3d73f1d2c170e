import { describe, expect, test } from '@jest/globals';
import type { Json } from '../../kubernetes/resource.js';
import { pick } from './picks.js';
import { requestsOf } from './quantities.js';
import { rolledAtOnce } from './rollout.js';

const cpu = (amount: string, more: Json = {}) => ({ name: 'a', resources: { requests: { cpu: amount } }, ...more });
const sidecar = { restartPolicy: 'Always' };

describe('what a pod asks for', () => {
  test.each<[string, Json, Json]>([
    ['nothing', {}, {}],
    ['its containers together', { containers: [cpu('250m'), cpu('1')] }, { cpu: 1.25 }],
    [
      'its largest init container, if that is more',
      { containers: [cpu('1')], initContainers: [cpu('3'), cpu('2')] },
      { cpu: 3 },
    ],
    ['its sidecars beside its containers', { containers: [cpu('1')], initContainers: [cpu('2', sidecar)] }, { cpu: 3 }],
    [
      'an init container beside the sidecars before it',
      { containers: [cpu('1')], initContainers: [cpu('1', sidecar), cpu('3')] },
      { cpu: 4 },
    ],
    ['what the pod as a whole says', { containers: [cpu('1')], resources: { requests: { cpu: '5' } } }, { cpu: 5 }],
    [
      'its overhead on top',
      { containers: [cpu('1')], overhead: { cpu: '500m', memory: '1Ki' } },
      { cpu: 1.5, memory: 1024 },
    ],
    ['nothing where it is no quantity', { containers: [cpu('much')] }, { cpu: 0 }],
  ])('is %s', (_words, spec, expected) => {
    expect(requestsOf(spec)).toEqual(expected);
  });
});

describe('what a rollout takes out of service at once', () => {
  const deployment = (strategy?: Json) => ({ kind: 'Deployment', metadata: {}, spec: { strategy } });
  const rolling = (maxUnavailable: unknown, maxSurge: unknown) =>
    deployment({ rollingUpdate: { maxUnavailable, maxSurge } });
  test.each<[string, Json, number]>([
    ['a quarter of a Deployment, rounded down', deployment(), 2],
    ['a number', rolling(3, 0), 3],
    ['nothing when only more may be made', rolling(0, 1), 0],
    ['one when neither is allowed', rolling('0%', 0), 1],
    ['all with Recreate', deployment({ type: 'Recreate' }), 10],
    ['one of a StatefulSet', { kind: 'StatefulSet', metadata: {}, spec: {} }, 1],
    ['nothing with OnDelete', { kind: 'StatefulSet', metadata: {}, spec: { updateStrategy: { type: 'OnDelete' } } }, 0],
    [
      'a share of a DaemonSet, rounded up',
      { kind: 'DaemonSet', metadata: {}, spec: { updateStrategy: { rollingUpdate: { maxUnavailable: '15%' } } } },
      2,
    ],
  ])('is %s', (_words, object, expected) => {
    expect(rolledAtOnce(object, 10)).toBe(expected);
  });
});

describe('what is kept of an object', () => {
  test('are its identity and the fields that are named, nothing else', () => {
    const object = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: 'a',
        namespace: 'b',
        uid: 'c',
        labels: { d: 'e' },
        annotations: { 'squall.dev/f': 'g', other: 'h' },
      },
      spec: {
        containers: [{ name: 'i', image: 'j', env: [{ value: 'k' }] }],
        volumes: [{ name: 'l', emptyDir: { medium: 'm' } }],
      },
      data: { n: 'o' },
    };
    const picks = {
      metadata: { annotations: 'squall' },
      spec: { containers: { name: true }, volumes: { emptyDir: 'names' } },
    } as const;
    expect(pick(object, picks)).toEqual({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'a', namespace: 'b', uid: 'c', annotations: { 'squall.dev/f': 'g' } },
      spec: { containers: [{ name: 'i' }], volumes: [{ emptyDir: { medium: {} } }] },
    });
  });

  test('are no fields that every object of the language has', () => {
    const hostile = JSON.parse('{"metadata":{"name":"a"},"spec":{"constructor":{"x":1},"__proto__":{"y":2}}}');
    expect(JSON.stringify(pick(hostile, { spec: { containers: true } }))).toBe('{"metadata":{"name":"a"}}');
  });
});
