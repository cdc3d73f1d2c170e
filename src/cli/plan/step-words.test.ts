import { describe, expect, test } from '@jest/globals';
import type { Target } from '../../api/injection.js';
import { type Abilities, abilities } from '../../faults/abilities.js';
import type { Fault } from '../../faults/fault.js';
import { faults } from '../../faults/index.js';
import type { Step } from '../../faults/step.js';
import { stepWords } from './step-words.js';

const target: Target = { kind: 'Node', namespace: 'shop', name: 'a', uid: 'u' };
const able = Object.fromEntries(abilities.map((ability) => [ability, ''])) as unknown as Abilities;

function stepsOf(fault: Fault): Step[] {
  if (fault.by === 'ApiServer') return fault.apply(fault.example, target);
  const plan = fault.plan(fault.example, able);
  return 'steps' in plan ? plan.steps : [];
}

describe('the words for a step', () => {
  test.each(faults.map((fault) => [fault.name, fault] as const))('are there for %s', (_name, fault) => {
    const steps = stepsOf(fault);
    expect(steps.length).toBeGreaterThan(0);
    for (const step of steps) expect(stepWords(step, 'u')).not.toMatch(/undefined|NaN|\[object|^$/);
  });

  test.each<[Step, string]>([
    [{ do: 'deletePod', namespace: 'shop', name: 'a', uid: 'u', gracePeriodSeconds: 0 }, 'delete it with 0s of grace'],
    [{ do: 'deletePod', namespace: 'shop', name: 'a', uid: 'other' }, 'delete pod shop/a'],
    [
      {
        do: 'setFields',
        object: { kind: 'Node', namespace: '', name: 'n1', uid: 'u' },
        changes: [
          { field: 'unschedulable', to: true },
          { field: 'taint', key: 'a', value: 'b', effect: 'NoExecute' },
        ],
      },
      'cordon it, taint it a=b:NoExecute',
    ],
    [
      {
        do: 'setFields',
        object: { kind: 'HorizontalPodAutoscaler', namespace: 'shop', name: 'a' },
        changes: [{ field: 'autoscalerBounds', to: { percent: 50 } }],
      },
      'HorizontalPodAutoscaler shop/a: hold its bounds at 50%',
    ],
    [
      {
        do: 'traffic',
        match: {
          direction: 'Egress',
          includeKubelet: false,
          peers: { services: [{ name: 'db', namespace: 'data' }], cidrs: ['10.0.0.0/8'] },
          except: { hosts: ['db.example.com'] },
          ports: [{ port: 80 }, { port: 53, endPort: 54, protocol: 'UDP' }],
        },
        drop: 0.125,
        netem: { delay: { latencyMilliseconds: 100, jitterMilliseconds: 20 } },
      },
      'what it sends to Service db in data, 10.0.0.0/8 but not db.example.com on TCP 80, UDP 53-54: drop 12.5%, delay 100ms ± 20ms',
    ],
    [
      { do: 'signal', signal: 'SIGKILL', processes: { which: { pattern: 'node' }, containers: ['web'] } },
      'send SIGKILL to processes that match node of container web',
    ],
  ])('%j are %j', (step, words) => {
    expect(stepWords(step, 'u')).toBe(words);
  });
});
