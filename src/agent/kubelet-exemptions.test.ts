import { describe, expect, test } from '@jest/globals';
import { kubeletProbePorts } from '../kubernetes/pod.js';
import { kubeletExemptions } from './kubelet-exemptions.js';
import type { RunProgram } from './place.js';

const pod = (...containers: object[]) => ({ metadata: { name: 'web' }, spec: { containers } });

/** Answers `ip -j route get` with the address that a route prefers. */
const routes =
  (sources: Record<string, string | undefined>): RunProgram =>
  async (_program, args) => {
    const prefsrc = sources[args.at(-1) ?? ''];
    return prefsrc
      ? { code: 0, stdout: JSON.stringify([{ dst: args.at(-1), prefsrc }]), stderr: '' }
      : { code: 2, stdout: '', stderr: 'no route' };
  };

describe('the ports of probes', () => {
  test('are those of all kinds of probes of all containers, each once', () => {
    const main = {
      ports: [{ name: 'web', containerPort: 8080 }],
      livenessProbe: { httpGet: { port: 'web' } },
      readinessProbe: { tcpSocket: { port: 9090 } },
      startupProbe: { grpc: { port: 50_051 } },
    };
    const second = { readinessProbe: { tcpSocket: { port: 9090 } }, livenessProbe: { exec: { command: ['true'] } } };
    const sidecar = { restartPolicy: 'Always', livenessProbe: { httpGet: { port: 15_021 } } };
    const spec = { containers: [main, second], initContainers: [sidecar] };
    expect(kubeletProbePorts({ metadata: {}, spec })).toEqual([8080, 9090, 15_021, 50_051]);
  });

  test('leave out what goes to another host, or to a port that has no number', () => {
    const away = { livenessProbe: { httpGet: { host: 'example.org', port: 443 } } };
    const unknown = { livenessProbe: { httpGet: { port: 'nowhere' } } };
    expect(kubeletProbePorts(pod(away, unknown))).toEqual([]);
  });
});

describe('the exemptions of a pod', () => {
  const probed = pod({ livenessProbe: { httpGet: { port: 8080 } } });

  test('are the addresses its node sends from, with the ports of its probes', async () => {
    const run = routes({ '10.1.0.5': '10.1.0.1', 'fd00::5': 'fd00::1' });
    expect(await kubeletExemptions(probed, ['10.1.0.5', 'fd00::5'], run)).toEqual([
      { from: '10.1.0.1', port: 8080 },
      { from: 'fd00::1', port: 8080 },
    ]);
  });

  test('are none for a family the node has no route of, and for a pod without probes', async () => {
    expect(await kubeletExemptions(probed, ['fd00::5'], routes({}))).toEqual([]);
    const never: RunProgram = async () => {
      throw new Error('nothing is to be asked');
    };
    expect(await kubeletExemptions(pod({}), ['10.1.0.5'], never)).toEqual([]);
  });

  test('can not be told without the routes of the node, which is said', async () => {
    const run: RunProgram = async () => ({ code: 1, stdout: '', stderr: 'nsenter: Permission denied' });
    await expect(kubeletExemptions(probed, ['10.1.0.5'], run)).rejects.toThrow(
      'Permission denied; with includeKubelet',
    );
    await expect(kubeletExemptions(probed, ['10.1.0.5; reboot'], run)).rejects.toThrow('is none');
  });
});
