import { describe, expect, test } from '@jest/globals';
import type { StepStatus } from '../api/experiment-run.js';
import type { TargetStatus } from '../api/injection.js';
import { anInjection, at } from '../testing/builders.js';
import { conclude, count, targetStates } from './progress.js';

const step = (): StepStatus => ({
  name: 'slow',
  fault: 'slow',
  state: 'Holding',
  rounds: 1,
  targets: 3,
  hit: 0,
  effective: 0,
});

function seen(...targets: Partial<TargetStatus>[]) {
  const injection = anInjection(
    { step: 'slow', agent: 'Node', node: 'n0' },
    targets.map(() => 'Confirmed'),
  );
  injection.status = {
    targets: targets.map((target, index) => ({ uid: `uid-pod-${index}`, state: 'Reverted', time: at(0), ...target })),
  };
  return injection;
}

describe('the numbers of a step', () => {
  test('count what took effect, also when it was taken back since', () => {
    const status = step();
    count(status, [seen({ effective: true }, {}, { state: 'Effective', effective: true })]);
    expect(status).toMatchObject({ hit: 3, effective: 2, names: ['pod-0', 'pod-1', 'pod-2'] });
  });

  test('count a target once, however often it was hit', () => {
    const status = step();
    count(status, [seen({ effective: true }), seen({ effective: true })]);
    expect(status).toMatchObject({ hit: 1, effective: 1 });
  });

  test('count what has vanished and is to be put back as hit, and an intent alone not', () => {
    const states = targetStates([
      seen({ state: 'Applying', drifts: 1 }, { state: 'Applying' }, { state: 'Failed', effective: true }),
    ]);
    expect(states.map(({ hit }) => hit)).toEqual([true, false, true]);
  });
});

describe('the conclusion of a step', () => {
  test('says what somebody else has changed, which nobody put back', () => {
    const status = step();
    const injection = seen({ conflict: 'spec.replicas is 2', drifts: 1 }, {});
    delete injection.spec.agent;
    conclude(status, [injection]);
    expect(status).toMatchObject({
      drifts: 1,
      message:
        'somebody else changed what the fault had changed on 1 of 3 targets, and it was left so: spec.replicas is 2',
    });
  });

  test('sums up what agents have seen, and says what was not as it should have been', () => {
    const status = step();
    conclude(status, [
      seen({ evidence: { packets: 10, exempted: 1 }, drifts: 2 }, { evidence: { packets: 5 } }),
      seen({ evidence: { connections: 3, connectionsCut: 1 } }),
    ]);
    expect(status).toMatchObject({
      drifts: 2,
      evidence: { packets: 15, exempted: 1, connections: 3, connectionsCut: 1 },
    });
    expect(status.message).toBe(
      'on 1 of 3 targets the fault had vanished and was put back; on 1 of 3 targets a proxy delayed TCP connections, only new ones',
    );
  });

  test('says nothing when there is nothing to say, and nothing twice', () => {
    const status = step();
    conclude(status, [anInjection({}, ['Effective'])]);
    expect(status).toEqual(step());
    const injections = [seen({ drifts: 1 })];
    conclude(status, injections);
    const { message } = status;
    conclude(status, injections);
    expect(status.message).toBe(message);
  });
});
