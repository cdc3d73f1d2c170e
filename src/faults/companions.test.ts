import { describe, expect, test } from '@jest/globals';
import type { Step } from '../api/experiment.js';
import { kinds } from '../catalogue.js';
import { withCompanions } from './companions.js';

const step = (fields: Record<string, unknown>) => ({ name: 'lose', ...fields }) as unknown as Step;

describe('a method', () => {
  test('has a step beside the outage of a zone that cuts off what stays there', () => {
    const outage = step({ zoneOutage: { partition: true }, targets: { zones: {} }, duration: '5m' });
    const [first, second, ...others] = withCompanions([outage]);
    expect([first, others]).toEqual([outage, []]);
    expect(second).toMatchObject({
      name: 'lose.partition',
      companionOf: 'lose',
      parallel: true,
      agent: 'Node',
      duration: '5m',
      partition: { direction: 'Both' },
    });
  });

  test('stays as it is without such a fault, or with one that this version does not know', () => {
    const method = [
      step({ zoneOutage: { partition: false }, targets: { zones: {} } }),
      step({ podKill: {}, targets: { pods: {} } }),
      step({ meteor: {}, targets: { pods: {} } }),
    ];
    expect(withCompanions(method)).toEqual(method);
  });

  test('fits into the status of a run however many of its steps have one', () => {
    const names = Array.from({ length: 20 }, (_, index) => `lose-${index}`);
    const method = withCompanions(
      names.map((name) => step({ name, zoneOutage: { partition: true }, targets: { zones: {} } })),
    );
    const fields = kinds.find(({ kind }) => kind === 'ExperimentRun')?.status.json.properties;
    expect(method).toHaveLength(40);
    for (const each of [fields?.steps, fields?.selection]) expect(each?.maxItems).toBeGreaterThanOrEqual(method.length);
  });
});
