import { describe, expect, test } from '@jest/globals';
import type { Step } from '../api/experiment.js';
import { abilities } from '../faults/abilities.js';
import { parseAbilities, plansFor } from './agent-plans.js';

const all = Object.fromEntries(abilities.map((ability) => [ability, '']));
const step = (name: string, fault: object) => ({ name, targets: {}, ...fault }) as unknown as Step;
const delay = step('delay', { network: { delay: { latency: '100ms' }, direction: 'Egress', includeKubelet: false } });
const peered = step('peered', {
  network: {
    delay: { latency: '100ms' },
    direction: 'Egress',
    includeKubelet: false,
    peers: { cidrs: ['10.0.0.1'] },
    ports: [{ port: 80 }],
  },
});
const pause = step('pause', { processPause: {} });
const kill = step('kill', { podKill: {} });

describe('what an agent can not carry out', () => {
  test('is nothing where it can do everything', () => {
    expect(plansFor([delay, peered, pause, kill], JSON.stringify(all)).refusals).toEqual({});
  });

  test('depends on what it lacks, and says that', () => {
    const { refusals } = plansFor([delay, peered, pause], JSON.stringify({ ...all, netem: 'no module sch_netem' }));
    expect(Object.keys(refusals)).toEqual(['delay']);
    expect(refusals.delay).toContain('no module sch_netem');
  });

  test('is what needs processes, where a sidecar is asked', () => {
    const { sidecarRefusals } = plansFor([delay, pause], '');
    expect(sidecarRefusals).toEqual({ pause: 'processPause needs a node agent' });
  });

  test('is what needs the proxy, where a sidecar is asked and the kernel has no netem', () => {
    const { sidecarRefusals } = plansFor([delay, peered], JSON.stringify({ ...all, netem: 'none' }));
    expect(Object.keys(sidecarRefusals)).toEqual(['delay', 'peered']);
  });

  test('is everything, where a sidecar is asked and the namespace admits none', () => {
    const { refusals, sidecarRefusals } = plansFor([delay, kill], JSON.stringify(all), 'the level is baseline');
    expect(refusals).toEqual({});
    expect(sidecarRefusals).toEqual({ delay: 'the level is baseline' });
  });
});

describe('abilities on a Lease', () => {
  const nothing = [
    undefined,
    '',
    '{',
    'null',
    '[]',
    '"nft"',
    '7',
    `{"nft":"${'x'.repeat(20_000)}"}`,
    '{"nft": true}',
    '{"__proto__": {"nft": ""}}',
  ];
  test.each(nothing)('that can not be read are not there: %.40s', (text = '') => {
    for (const ability of abilities) expect(parseAbilities(text)[ability]).toMatch(/does not say/);
  });

  test('are cut to what people can read', () => {
    const { netem, nft, htb } = parseAbilities(JSON.stringify({ netem: `\u001b[31mno${'o'.repeat(500)}`, nft: '' }));
    expect(netem).toMatch(/^ \[31mnooo/);
    expect(netem.length).toBeLessThanOrEqual(200);
    expect(nft).toBe('');
    expect(htb).toMatch(/does not say/);
  });
});
