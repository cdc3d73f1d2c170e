import { describe, expect, test } from '@jest/globals';
import type { Json, KubeObject } from '../../kubernetes/resource.js';
import { projectWorkload } from './workload-targets.js';

type Kind = Parameters<typeof projectWorkload>[1];

/** A workload that has three Ready pods of its newest template. */
const settled: Record<Kind, Json> = {
  Deployment: { replicas: 3, updatedReplicas: 3, readyReplicas: 3 },
  StatefulSet: { replicas: 3, readyReplicas: 3, currentRevision: 'a', updateRevision: 'a' },
  DaemonSet: { desiredNumberScheduled: 3, updatedNumberScheduled: 3, numberReady: 3 },
  ReplicaSet: { replicas: 3, readyReplicas: 3 },
};
const kinds = Object.keys(settled) as Kind[];

function candidate(kind: Kind, { metadata = {}, spec = {}, status = {} }: Json = {}) {
  const object: KubeObject = {
    metadata: { name: 'web', namespace: 'shop', uid: 'u', generation: 2, ...metadata },
    spec: { ...(kind !== 'DaemonSet' && { replicas: 3 }), ...spec },
    status: { observedGeneration: 2, ...settled[kind], ...status },
  };
  return projectWorkload(object, kind);
}

describe('a workload is a candidate', () => {
  test.each(kinds)('when all pods of a %s are new and Ready', (kind) => {
    const { ready, obstacle, workload } = candidate(kind);
    expect({ ready, obstacle, workload }).toEqual({ ready: true, workload: `${kind}/web` });
  });

  const rolling: [string, Kind, Json][] = [
    ['its controller has not seen its newest version', 'Deployment', { status: { observedGeneration: 1 } }],
    ['pods of a Deployment are of an older version', 'Deployment', { status: { updatedReplicas: 2 } }],
    ['a Deployment has more pods than it is to have', 'Deployment', { status: { replicas: 4 } }],
    ['a StatefulSet is updated', 'StatefulSet', { status: { updateRevision: 'b', updatedReplicas: 1 } }],
    ['a DaemonSet is updated', 'DaemonSet', { status: { updatedNumberScheduled: 2 } }],
    ['a ReplicaSet lacks a pod', 'ReplicaSet', { status: { replicas: 2 } }],
  ];
  test.each(rolling)('but not while %s', (_, kind, more) => {
    expect(candidate(kind, more)).toMatchObject({ ready: false, obstacle: 'rollingOut' });
  });

  const settledAllTheSame: [string, Kind, Json][] = [
    [
      'a StatefulSet is updated down to its partition',
      'StatefulSet',
      {
        spec: { updateStrategy: { rollingUpdate: { partition: 2 } } },
        status: { updateRevision: 'b', updatedReplicas: 1 },
      },
    ],
    [
      'nobody but people updates a StatefulSet',
      'StatefulSet',
      { spec: { updateStrategy: { type: 'OnDelete' } }, status: { updateRevision: 'b', updatedReplicas: 0 } },
    ],
    [
      'nobody but people updates a DaemonSet',
      'DaemonSet',
      { spec: { updateStrategy: { type: 'OnDelete' } }, status: { updatedNumberScheduled: 0 } },
    ],
    [
      'it is to have no pods',
      'Deployment',
      { spec: { replicas: 0 }, status: { replicas: 0, updatedReplicas: 0, readyReplicas: 0 } },
    ],
  ];
  test.each(settledAllTheSame)('also when %s', (_, kind, more) => {
    const { ready, obstacle } = candidate(kind, more);
    expect({ ready, obstacle }).toEqual({ ready: true });
  });

  test('but not while a pod is not Ready, which is no rollout', () => {
    const { ready, obstacle } = candidate('Deployment', { status: { readyReplicas: 2 } });
    expect({ ready, obstacle }).toEqual({ ready: false });
  });

  test('but not when it belongs to somebody else, or a fault is on', () => {
    const owner = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', uid: 'd', controller: true };
    expect(candidate('ReplicaSet', { metadata: { ownerReferences: [owner] } }).obstacle).toBe('unsuitable');
    const annotations = { 'undo.squall.dev/0a1b2c3d': '{}' };
    expect(candidate('Deployment', { metadata: { annotations } }).obstacle).toBe('inUse');
  });

  test('but not when it is protected, or its pods are, or it is our own', () => {
    const own = { labels: { 'app.kubernetes.io/part-of': 'squall' } };
    const guarded = { labels: { 'squall.dev/protected': 'true' } };
    const isProtected = [
      { metadata: own },
      { metadata: guarded },
      { spec: { template: { metadata: guarded } } },
      {},
    ].map((more) => candidate('Deployment', more).protected);
    expect(isProtected).toEqual([true, true, true, false]);
  });
});
