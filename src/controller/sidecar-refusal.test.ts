import { describe, expect, test } from '@jest/globals';
import type { Json } from '../kubernetes/resource.js';
import { sidecarRefusal } from './sidecar-refusal.js';

const limited = (limit: string, request?: string): Json => ({
  resources: { limits: { memory: limit }, ...(request && { requests: { memory: request } }) },
});
const refusal = (spec: Json) => sidecarRefusal({ metadata: {}, spec });
const agents = (count: number) => Array.from({ length: count }, (_, index) => ({ name: `squall-agent-${index}` }));

describe('a sidecar is admitted', () => {
  const cases: [string, Json][] = [
    ['where nothing is limited', { containers: [{}] }],
    ['where one container is not limited, so that the pod is not', { containers: [limited('64Mi'), {}] }],
    ['where the limit leaves it enough', { containers: [limited('256Mi', '128Mi')] }],
    ['where all limits together leave it enough', { containers: [limited('100Mi', '36Mi'), limited('0.1Gi', '10Mi')] }],
    ["where the pod's own limit leaves it enough", { containers: [limited('64Mi')], ...limited('1Gi', '512Mi') }],
    ['beside seven others', { containers: [{}], ephemeralContainers: [...agents(7), { name: 'debugger' }] }],
    ['where an init container that has ended is limited', { containers: [{}], initContainers: [limited('1Mi')] }],
  ];
  test.each(cases)('%s', (_, spec) => {
    expect(refusal(spec)).toBeUndefined();
  });
});

describe('a sidecar is refused', () => {
  const cases: [string, Json, RegExp][] = [
    [
      'where all memory is asked for',
      { containers: [limited('1Gi')] },
      /is 0 MiB above what its containers request .* needs 128 MiB; raise the limit/,
    ],
    ['where too little is left', { containers: [limited('256M', '128M')] }, /is 122 MiB above/],
    ['where the pod itself is limited', { containers: [{}], ...limited('256Mi', '200Mi') }, /is 56 MiB above/],
    [
      'where a sidecar of the pod takes it',
      {
        containers: [limited('256Mi', '64Mi')],
        initContainers: [{ ...limited('128Mi'), restartPolicy: 'Always' }],
        resources: { limits: { memory: '256Mi' } },
      },
      /MiB above/,
    ],
    ['beside eight others', { containers: [{}], ephemeralContainers: agents(8) }, /^8 sidecars have been added/],
    ['on Windows', { containers: [{}], os: { name: 'windows' } }, /Windows/],
    ['on Windows, by its node', { containers: [{}], nodeSelector: { 'kubernetes.io/os': 'windows' } }, /Windows/],
  ];
  test.each(cases)('%s', (_, spec, expected) => {
    expect(refusal(spec)).toMatch(expected);
  });
});

test.each([undefined, {}, { containers: [limited('much')] }, { containers: [{ resources: null }] }])(
  'nonsense is not refused: %j',
  (spec: Json) => {
    expect(refusal(spec)).toBeUndefined();
  },
);
