import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, test } from '@jest/globals';
import { runningPod } from '../testing/pod-objects.js';
import { inNamespace, PodProcesses } from '../testing/pod-processes.js';
import { NodePlaces } from './node-place.js';
import { runProgram } from './run-program.js';

let pods = new PodProcesses();
afterEach(async () => {
  await pods.close();
  pods = new PodProcesses();
});

const places = new NodePlaces({ run: runProgram });

describe('NodePlaces', () => {
  test('finds the network namespace that holds the addresses of the pod', async () => {
    const uid = randomUUID();
    const pid = await pods.start(`kubepods/besteffort/pod${uid}/pause`, inNamespace('10.1.2.3/24', '2001:db8::5/64'));
    await pods.start(`kubepods/besteffort/pod${uid}/abc`, ['nsenter', `--net=/proc/${pid}/ns/net`, 'sleep', '1000']);
    const place = await places.find(runningPod(uid, ['10.1.2.3', '2001:DB8:0::5'], { app: 'abc' }));
    const { stdout } = await place.run('ip', ['-j', 'addr']);
    expect(stdout).toContain('10.1.2.3');
    expect((await place.processes()).map(({ container, commandLine }) => [container, commandLine])).toEqual([
      [undefined, 'sleep infinity'],
      ['app', 'sleep 1000'],
    ]);
  });
});
