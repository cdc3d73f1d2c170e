import { describe, expect, test } from '@jest/globals';
import type { ExperimentSpec } from '../api/experiment.js';
import { checkExperiment } from '../catalogue.js';
import { type Abilities, abilities } from './abilities.js';
import { containerKill } from './container-kill.js';
import type { AgentPlan, Fault } from './fault.js';
import { processKill } from './process-kill.js';
import { processPause } from './process-pause.js';

const able = Object.fromEntries(abilities.map((ability) => [ability, ''])) as Abilities;

function plan(fault: Fault, params: object, has: Abilities = able): AgentPlan {
  if (fault.by !== 'Agent') throw new Error('expected a fault that agents carry out');
  return fault.plan(params, has);
}

test('containerKill signals the first process of all containers, with SIGKILL unless another signal is named', () => {
  expect(plan(containerKill, {})).toEqual({
    steps: [{ do: 'signal', signal: 'SIGKILL', processes: { which: 'Main' } }],
  });
  expect(plan(containerKill, { signal: 'SIGTERM', containers: ['app'] })).toEqual({
    steps: [{ do: 'signal', signal: 'SIGTERM', processes: { which: 'Main', containers: ['app'] } }],
  });
});

test('processKill signals what matches its pattern', () => {
  expect(plan(processKill, { pattern: '^nginx' })).toEqual({
    steps: [{ do: 'signal', signal: 'SIGKILL', processes: { which: { pattern: '^nginx' } } }],
  });
});

test('processPause stops everything without a pattern', () => {
  expect(plan(processPause, {})).toEqual({ steps: [{ do: 'pause', processes: { which: { pattern: '' } } }] });
});

test.each([containerKill, processKill, processPause])('$name is refused where processes can not be seen', (fault) => {
  const has = { ...able, processes: 'the agent has no hostPID' };
  expect(plan(fault, fault.example as object, has)).toEqual({
    refusal: "the agent can't signal processes of pods (processes: the agent has no hostPID)",
  });
});

describe('a pattern that does not compile', () => {
  const targets = { pods: { selector: {} } };
  const experiment = (step: object) =>
    ({ method: [{ name: 'step', targets, ...step }], timeout: '1h' }) as unknown as ExperimentSpec;

  test.each(['processKill', 'processPause'])('is reported where it stands in %s', (name) => {
    const [problem, ...more] = checkExperiment(experiment({ [name]: { pattern: '(?=a)' } }), ['spec']);
    expect(more).toEqual([]);
    expect(problem?.path).toEqual(['spec', 'method', 0, name, 'pattern']);
    expect(problem?.message).toMatch(/^'\(\?=a\)' is not a pattern in RE2 syntax: /);
  });

  test('is none when it is fine or left out', () => {
    expect(checkExperiment(experiment({ processKill: { pattern: '^a+$' } }), ['spec'])).toEqual([]);
    expect(checkExperiment(experiment({ processPause: {} }), ['spec'])).toEqual([]);
  });
});
