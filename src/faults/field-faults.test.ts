import { describe, expect, test } from '@jest/globals';
import type { Target } from '../api/injection.js';
import type { Fault } from './fault.js';
import { isDisruptive } from './fault.js';
import { nodeCordon } from './node-cordon.js';
import { nodeTaint } from './node-taint.js';
import { rolloutRestart } from './rollout-restart.js';
import { scale } from './scale.js';

const node: Target = { kind: 'Node', namespace: '', name: 'n1', uid: 'node-uid' };
const workload: Target = { kind: 'StatefulSet', namespace: 'shop', name: 'db', uid: 'db-uid' };

function stepsOf(fault: Fault, params: unknown, target: Target) {
  if (fault.by !== 'ApiServer') throw new Error('agents carry it out');
  return fault.apply(params, target);
}

describe('a fault that sets fields', () => {
  test('names the very object, by its UID', () => {
    const object = { kind: 'Node', namespace: '', name: 'n1', uid: 'node-uid' };
    expect(stepsOf(nodeCordon, {}, node)).toEqual([
      { do: 'setFields', object, changes: [{ field: 'unschedulable', to: true }] },
    ]);
    expect(stepsOf(rolloutRestart, {}, workload)).toEqual([
      { do: 'setFields', object: { ...workload }, changes: [{ field: 'restartedAt' }] },
    ]);
  });

  test('holds an autoscaler in the same step as its workload', () => {
    const to = { percent: 0 };
    const changes = [
      { field: 'replicas', to },
      { field: 'autoscalerBounds', to },
    ];
    expect(stepsOf(scale, { percent: 0, autoscaler: 'Pause' }, workload)).toMatchObject([{ changes }]);
    expect(stepsOf(scale, { replicas: 0, autoscaler: 'Refuse' }, workload)).toMatchObject([
      { changes: [{ field: 'replicas', to: { count: 0 } }] },
    ]);
  });

  test('needs rights on autoscalers only to pause them', () => {
    const groups = (params: unknown) =>
      scale.needs.filter(({ when }) => when?.(params) ?? true).map(({ group }) => group);
    expect(groups({ autoscaler: 'Refuse' })).not.toContain('autoscaling');
    expect(groups({ autoscaler: 'Pause' })).toContain('autoscaling');
  });
});

describe('taints', () => {
  const taint = (effect: string, key = 'gpu') => ({ key, effect });
  const problems = (...taints: object[]) =>
    nodeTaint.check?.({ taints }).map(({ path, message }) => [path.join('.'), message]);

  test('take pods out of service when they are not to be tolerated', () => {
    expect(isDisruptive(nodeTaint, { taints: [taint('NoSchedule')] })).toBe(false);
    expect(isDisruptive(nodeTaint, { taints: [taint('NoSchedule'), taint('NoExecute')] })).toBe(true);
  });

  test('are told apart by key and effect', () => {
    expect(problems(taint('NoSchedule'), taint('NoExecute'), taint('NoSchedule', 'disk'))).toEqual([]);
    expect(problems(taint('NoSchedule'), taint('NoSchedule'))).toEqual([
      ['nodeTaint.taints.1', '`gpu` with the effect NoSchedule is there twice'],
    ]);
  });

  test('of Kubernetes itself are its own', () => {
    expect(problems(taint('NoSchedule', 'node.kubernetes.io/unschedulable'))).toEqual([
      ['nodeTaint.taints.0.key', expect.stringContaining('Kubernetes itself')],
    ]);
  });
});
