import { describe, expect, test } from '@jest/globals';
import {
  aNode,
  anObservation,
  aPod,
  aRun,
  aStep,
  aSurvey,
  killFacts,
  pods,
  START,
  slowFacts,
} from '../../testing/builders.js';
import type { RunObserved } from '../observed.js';
import { decideRun } from '../run.js';
import { foresee } from './foresee.js';

const run = (...method: ReturnType<typeof aStep>[]) => aRun({ template: { method }, spec: { seed: 7 } });
const observe = (more: Partial<RunObserved> = {}, ...method: ReturnType<typeof aStep>[]) =>
  anObservation(run(...(method.length > 0 ? method : [aStep('kill')])), more);
const reasons = (observed: RunObserved) => foresee(observed, START).refusals.map(({ reason }) => reason);

describe('what is foreseen', () => {
  test('are the very targets that the run decides on', () => {
    const observed = observe({ candidates: { kill: pods(20) } }, aStep('kill', { percent: 40 }));
    const decided = decideRun(observed, START).actions.flatMap((action) =>
      action.do === 'createInjection' ? action.injection.spec.targets.map(({ name }) => name) : [],
    );
    const [step] = foresee(observed, START).steps;
    expect(step?.targets.map(({ candidate }) => candidate.name)).toEqual(decided);
    expect(decided).toHaveLength(8);
  });

  test('is why each of the others would not be hit', () => {
    const listed = [
      aPod('fit'),
      aPod('late', { createdAt: START - 1_000 }),
      aPod('sick', { ready: false }),
      aPod('held', { protected: true }),
      aPod('bare', { managed: false }),
    ];
    const { steps, refusals } = foresee(observe({ candidates: { kill: listed } }), START);
    expect(refusals).toEqual([]);
    expect(steps[0]).toMatchObject({ matched: 5, candidates: 1 });
    expect(Object.fromEntries((steps[0]?.others ?? []).map(({ candidate, why }) => [candidate.name, why]))).toEqual({
      late: 'tooYoung',
      sick: 'notReady',
      held: 'protected',
      bare: 'unmanaged',
    });
  });

  test('is that nodes are kept so that a Ready one is left', () => {
    const node = (name: string) => aPod(name, { kind: 'Node', node: name });
    const step = aStep('kill', { count: 3 });
    const onNodes = { ...step, targets: { count: 3, nodes: { selector: { matchLabels: { a: 'b' } } } } };
    const observed = observe({ candidates: { kill: ['n1', 'n2', 'n3'].map(node) } }, onNodes as typeof step);
    const [found] = foresee(observed, START).steps;
    expect(found?.targets).toHaveLength(2);
    expect(found?.others.map(({ why }) => why)).toEqual(['lastReady']);
  });

  test('waits for pods that are too young, as a run does', () => {
    const young = pods(2, { createdAt: START - 4_000 });
    const { drawnAt, steps, refusals } = foresee(observe({ candidates: { kill: young } }), START);
    expect([drawnAt - START, steps[0]?.targets.length, refusals]).toEqual([6_000, 1, []]);
  });

  test('are later rounds, each pod once, up to what the run may hit', () => {
    const step = aStep('kill', { duration: '5s' });
    const facts = { kill: { ...killFacts, repeatEveryMilliseconds: 2_000 } };
    const later = (maxTargets?: number) => {
      const observed = observe({ facts, candidates: { kill: pods(9) } }, step);
      if (maxTargets) observed.run.spec.template.safeguards = { maxTargets };
      const [found] = foresee(observed, START).steps;
      const all = [...(found?.targets.map(({ candidate }) => candidate) ?? []), ...(found?.later ?? [])];
      expect(new Set(all.map(({ uid }) => uid)).size).toBe(all.length);
      return found?.later.length;
    };
    expect([later(), later(2), later(1)]).toEqual([2, 1, 0]);
  });
});

describe('what would refuse it', () => {
  test('is all there is to say, though a run would stop at the first', () => {
    const observed = observe({
      halts: ['policy drill: fire drill'],
      candidates: { kill: [] },
      survey: aSurvey({
        missing: ["delete pods in namespace shop (step 'kill')"],
        policies: [{ name: 'prod', spec: { freezes: [{ from: '2026-01-01' }] } }],
      }),
    });
    expect(reasons(observed)).toEqual(['Halted', 'NoTargets', 'NotAuthorized', 'BlockedBySafety']);
  });

  test('is a policy, and the targets are told all the same', () => {
    const survey = aSurvey({ policies: [{ name: 'prod', spec: { faults: ['network'] } }] });
    const { refusals, steps } = foresee(observe({ survey }), START);
    expect(refusals).toMatchObject([{ reason: 'BlockedBySafety' }]);
    expect(refusals[0]?.message).toContain("SafetyPolicy 'prod'");
    expect(steps[0]?.targets).toHaveLength(1);
  });

  test('is that nobody can put the fault on', () => {
    const facts = { kill: slowFacts };
    const nodes = (more: object) => new Map([['n0', aNode(more)]]);
    expect(reasons(observe({ facts, nodes: nodes({}) }))).toEqual([]);
    const able = foresee(observe({ facts, nodes: nodes({}) }), START).steps[0]?.targets[0]?.agent;
    expect(able).toBe('Node');
    const refusing = { refusals: { kill: 'no netem' }, sidecarRefusals: { kill: 'no netem' } };
    expect(reasons(observe({ facts, nodes: nodes(refusing) }))).toEqual(['NotSupported']);
  });
});
