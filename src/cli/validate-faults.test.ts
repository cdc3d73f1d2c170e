import { Readable } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import { validateCommand } from './validate.js';

/** What `squall validate` says of an experiment whose only step has these lines. */
async function validate(...step: string[]): Promise<{ code: number; said: string }> {
  const manifest = [
    'apiVersion: squall.dev/v1alpha1',
    'kind: Experiment',
    'metadata: {name: one, namespace: shop}',
    'spec:',
    '  method:',
    '    - name: step',
    ...(step.some((line) => line.startsWith('targets:'))
      ? []
      : ['      targets: {pods: {selector: {matchLabels: {app: web}}}}']),
    ...step.map((line) => `      ${line}`),
  ];
  let said = '';
  const out = { write: (text: string) => (said += text) };
  const io = { stdin: Readable.from([`${manifest.join('\n')}\n`]), stdout: out, stderr: out, color: false };
  return { code: await validateCommand(['-'], {}, io), said };
}

const network = 'network: {delay: {latency: 100ms}}';
const following = 'targets: {pods: {selector: {matchLabels: {app: web}}}, follow: true}';

describe('a step is valid', () => {
  const cases: string[][] = [
    ['podKill: {}'],
    [network, 'duration: 1m'],
    [network, 'duration: 1m', 'agent: Sidecar', 'onDrift: End', following],
    ['processPause: {}', 'duration: 1m', 'agent: Node', 'onDrift: Reapply'],
    ['containerKill: {}', 'agent: Auto'],
    ['podKill: {}', 'targets: {pods: {names: [web]}, follow: false}'],
  ];
  test.each(cases.map((lines) => [lines]))('%j', async (lines) => {
    expect(await validate(...lines)).toMatchObject({ code: 0 });
  });
});

describe('a step is refused, and why is said', () => {
  const cases: [string, string[], RegExp][] = [
    [
      'that lasts without a duration',
      [network],
      /`duration` must be given with a fault that lasts until it is taken back: .*`network`/,
    ],
    [
      'with an agent that nothing would be done by',
      ['podKill: {}', 'agent: Node'],
      /`agent` may only be given with a fault that agents carry out: .*`network`/,
    ],
    [
      'in a sidecar that sees no processes',
      ['processPause: {}', 'duration: 1m', 'agent: Sidecar'],
      /`agent: Sidecar` may only be asked for with .*: `network`/,
    ],
    [
      'with a reaction to what can not happen',
      ['containerKill: {}', 'onDrift: End'],
      /`onDrift` may only be given with a fault that agents keep up: /,
    ],
    [
      'that follows what is over at once',
      ['podKill: {}', following],
      /`follow` may only be set with a fault that lasts until it is taken back: /,
    ],
  ];
  test.each(cases)('%s', async (_, lines, expected) => {
    const { code, said } = await validate(...lines);
    expect(said).toMatch(expected);
    expect(code).toBe(2);
  });
});
