import { describe, expect, test } from '@jest/globals';
import type { KubeObject } from '../store/types.js';
import { columnsOf } from './columns.js';
import { humanDuration } from './duration.js';
import { compileJsonPath } from './json-path.js';

const NOW = new Date('2026-01-01T01:00:00Z');
const HOUR = 3600;
const DAY = 24 * HOUR;

/** The cells of an object, by column. */
function cells(plural: string, object: object): Record<string, unknown> {
  const metadata = { name: 'x', namespace: 'default', creationTimestamp: '2026-01-01T00:00:00Z' };
  const whole = { metadata, ...object } as KubeObject;
  return Object.fromEntries(columnsOf(plural).map(({ name, cell }) => [name, cell(whole, NOW)]));
}

test.each([
  [-5, '<invalid>'],
  [0, '0s'],
  [119, '119s'],
  [120, '2m'],
  [200, '3m20s'],
  [600, '10m'],
  [3 * HOUR + 60, '3h1m'],
  [8 * HOUR, '8h'],
  [2 * DAY + 3 * HOUR, '2d3h'],
  [8 * DAY, '8d'],
  [2 * 365 * DAY + DAY, '2y1d'],
  [9 * 365 * DAY, '9y'],
])('%i seconds read as %s', (seconds, text) => {
  expect(humanDuration(seconds)).toBe(text);
});

describe('the status of a pod', () => {
  const waiting = (reason: string) => ({ state: { waiting: { reason } }, restartCount: 1 });
  const ended = (terminated: object) => ({ state: { terminated }, restartCount: 0 });
  const running = { ready: true, state: { running: {} }, restartCount: 0 };

  test.each([
    ['Pending', { phase: 'Pending' }],
    ['CrashLoopBackOff', { phase: 'Running', containerStatuses: [waiting('CrashLoopBackOff')] }],
    ['Error', { phase: 'Failed', containerStatuses: [ended({ reason: 'Error', exitCode: 1 })] }],
    ['ExitCode:3', { phase: 'Running', containerStatuses: [ended({ exitCode: 3 })] }],
    ['Signal:9', { phase: 'Running', containerStatuses: [ended({ signal: 9 })] }],
    ['Running', { phase: 'Running', containerStatuses: [running, ended({ reason: 'Completed', exitCode: 0 })] }],
    ['Init:0/2', { phase: 'Pending', initContainerStatuses: [{ state: { running: {} } }, {}] }],
    ['Init:Error', { phase: 'Pending', initContainerStatuses: [ended({ reason: 'Error', exitCode: 1 })] }],
    ['Evicted', { phase: 'Failed', reason: 'Evicted' }],
  ])('is %s', (expected, status) => {
    expect(cells('pods', { spec: { containers: [{}] }, status }).Status).toBe(expected);
  });

  test('is Terminating while the pod is being deleted', () => {
    const metadata = { name: 'x', deletionTimestamp: '2026-01-01T00:00:00Z' };
    expect(cells('pods', { metadata, spec: {}, status: { phase: 'Running' } }).Status).toBe('Terminating');
  });

  test('comes with the number of restarts and the time of the last', () => {
    const lastState = { terminated: { finishedAt: '2026-01-01T00:55:00Z' } };
    const status = { phase: 'Running', containerStatuses: [{ ...running, restartCount: 3, lastState }] };
    expect(cells('pods', { spec: { containers: [{}] }, status })).toMatchObject({
      Ready: '1/1',
      Restarts: '3 (5m ago)',
      Age: '60m',
      IP: '<none>',
    });
  });
});

test('other kinds show what kubectl shows of them', () => {
  const ports = [{ port: 80, protocol: 'TCP' }];
  expect(cells('services', { spec: { type: 'ClusterIP', clusterIP: '10.0.0.1', ports } })).toMatchObject({
    'Cluster-IP': '10.0.0.1',
    'Port(s)': '80/TCP',
  });
  const conditions = [{ type: 'Ready', status: 'True' }];
  expect(cells('nodes', { spec: { unschedulable: true }, status: { conditions } }).Status).toBe(
    'Ready,SchedulingDisabled',
  );
  const subsets = [{ addresses: [1, 2, 3, 4].map((last) => ({ ip: `10.0.0.${last}` })), ports: [{ port: 80 }] }];
  expect(cells('endpoints', { subsets }).Endpoints).toBe('10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 1 more...');
  expect(cells('deployments', { spec: { replicas: 3 }, status: { readyReplicas: 2 } }).Ready).toBe('2/3');
  expect(cells('poddisruptionbudgets', { spec: { maxUnavailable: 1 } })['Min Available']).toBe('N/A');
});

describe('a JSON path', () => {
  const object = {
    spec: {
      'a.b': 1,
      list: [
        { type: 'Ready', status: 'True' },
        { type: 'Other', status: 'False' },
      ],
    },
    metadata: { annotations: { 'squall.dev/verdict': 'Passed' } },
  };

  test.each([
    ['.spec.list[0].type', ['Ready']],
    ['.spec.list[-1].type', ['Other']],
    ['.spec.list[*].status', ['True', 'False']],
    ['.spec.list[?(@.type=="Ready")].status', ['True']],
    [".spec.list[?(@.type!='Ready')].status", ['False']],
    ["$.spec['a.b']", [1]],
    ['.metadata.annotations.squall\\.dev/verdict', ['Passed']],
    ['.spec.missing.deeper', []],
    ['.spec.constructor', []],
  ])('%s finds %j', (path, expected) => {
    expect(compileJsonPath(path)(object)).toEqual(expected);
  });

  test.each(['spec', '.spec[', '.list[?(@.a>1)]', '..a'])('%s is refused', (path) => {
    expect(() => compileJsonPath(path)).toThrow('is not a JSONPath');
  });
});
