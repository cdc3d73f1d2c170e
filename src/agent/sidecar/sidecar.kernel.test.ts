import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { MAX_REPORT_BYTES } from '../../faults/sidecar.js';
import { NetworkPods } from '../../testing/network-pods.js';
import { until } from '../../testing/scripted-server.js';
import { Sidecars } from '../../testing/sidecars.js';
import { lossOf, partition } from '../../testing/traffic-world.js';

jest.setTimeout(60_000);

let pods: NetworkPods;
let sidecars: Sidecars;
let before: string;

beforeAll(async () => {
  pods = await NetworkPods.start();
  sidecars = await Sidecars.in(pods);
  before = await pods.snapshot();
});

afterEach(async () => {
  // Whatever a test did, nothing of it is left for the next.
  expect(await pods.snapshot()).toBe(before);
});

afterAll(async () => {
  await sidecars?.stop();
  await pods?.stop();
});

async function reaches(): Promise<boolean> {
  const [peer] = pods.peers;
  return (await pods.pod.space.ping(peer!.ipv4, { count: 1, wait: 0.3 })).received > 0;
}

const tables = () => pods.pod.space.must('nft', ['list', 'tables']);
const flush = () => pods.pod.space.must('nft', ['flush', 'ruleset']);

describe('a sidecar', () => {
  test('puts its fault on, says what it sees, and takes it back when its time is over', async () => {
    const sidecar = sidecars.start('hold', sidecars.order(partition(), { milliseconds: 5_000 }));
    expect(await sidecar.on()).toMatchObject({ drifts: 0, effective: false });
    expect(await reaches()).toBe(false);
    await until(() => sidecar.reports.some(({ effective }) => effective), 'the effect to be seen', 10_000);
    const { code, message, report } = await sidecar.ended();
    expect(code).toBe(0);
    expect(Buffer.byteLength(message)).toBeLessThanOrEqual(MAX_REPORT_BYTES);
    expect(report).toMatchObject({ end: 'Over', effective: true, evidence: { packets: expect.any(Number) } });
    expect(await reaches()).toBe(true);
  });

  test('takes its fault back at once when its container is ended', async () => {
    const sidecar = sidecars.start('hold', sidecars.order(partition()));
    await sidecar.on();
    const since = performance.now();
    sidecar.child.kill('SIGTERM');
    expect(await sidecar.ended()).toMatchObject({ code: 0, report: { end: 'Stopped' } });
    expect(performance.now() - since).toBeLessThan(3_000);
    expect(await reaches()).toBe(true);
  });

  test('needs little memory', async () => {
    const sidecar = sidecars.start('hold', sidecars.order(partition()));
    await sidecar.on();
    const [, kibibytes] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${sidecar.child.pid}/status`, 'utf8')) ?? [];
    expect(Number(kibibytes)).toBeLessThan(96 * 1024);
    sidecar.child.kill('SIGTERM');
    await sidecar.ended();
  });

  test('puts back what vanishes, and counts that', async () => {
    const sidecar = sidecars.start('hold', sidecars.order(partition()));
    await sidecar.on();
    await flush();
    expect(await reaches()).toBe(true);
    await until(() => sidecar.reports.some(({ drifts }) => drifts === 1), 'the drift to be seen', 10_000);
    expect(sidecar.reports.at(-1)?.message).toContain('the nft table inet squall_51decaf0 is gone');
    expect(await reaches()).toBe(false);
    sidecar.child.kill('SIGTERM');
    expect((await sidecar.ended()).report).toMatchObject({ end: 'Stopped', drifts: 1 });
  });

  test('ends when its fault vanishes and is not to be put back', async () => {
    const sidecar = sidecars.start('hold', sidecars.order(partition(), { onDrift: 'End' }));
    await sidecar.on();
    await flush();
    const { code, report } = await sidecar.ended();
    expect(code).toBe(0);
    expect(report).toMatchObject({ end: 'Lost', drifts: 1, message: expect.stringContaining('it vanished') });
  });

  test.each([
    ['its container starts too late', { startBy: Date.now() - 5_000 }, /started \d+ s too late/],
    ['an address of the pod is not around it', { podIPs: ['10.1.2.3'] }, /not the network of test\/pod: .*10.1.2.3/],
    ['the pod has no address', { podIPs: [] }, /the pod has no address/],
    ['an address of the node is around it', { hostIPs: ['10.87.0.2'] }, /on the network of its node/],
  ])('touches nothing when %s', async (_, change, message) => {
    const sidecar = sidecars.start('hold', sidecars.order(partition(), change));
    const { code, report } = await sidecar.ended();
    expect([code, report?.end]).toEqual([5, 'Refused']);
    expect(report?.message).toMatch(message);
  });

  test('takes back what it could put on when the rest is refused', async () => {
    const order = sidecars.order(partition());
    const nowhere = { id: '0000000a', step: lossOf(1, { device: 'net9' }) };
    const sidecar = sidecars.start('hold', { ...order, steps: [...order.steps, nowhere] });
    const { report } = await sidecar.ended();
    expect(report?.message).toContain("no network device 'net9'");
  });

  test('leaves what is not its own though it has the name', async () => {
    await pods.pod.space.must('nft', ['add', 'table', 'inet', 'squall_51decaf0']);
    const { report } = await sidecars.start('hold', sidecars.order(partition())).ended();
    expect(report).toMatchObject({ end: 'Refused', message: expect.stringContaining('is not ours') });
    await pods.pod.space.must('nft', ['delete', 'table', 'inet', 'squall_51decaf0']);
  });
});

describe('a second sidecar', () => {
  test('takes the fault back while the first one lives, which ends and puts nothing back', async () => {
    const order = sidecars.order(partition());
    const first = sidecars.start('hold', order);
    await first.on();
    const second = sidecars.start('revert', order);
    await until(async () => reaches(), 'the fault to be off', 5_000);
    expect((await first.ended()).report).toMatchObject({ end: 'Stopped', message: 'it was taken back' });
    const { code, report } = await second.ended();
    expect([code, report?.end]).toEqual([0, 'Stopped']);
    expect(await reaches()).toBe(true);
  });

  test('takes back what a first one left that was killed', async () => {
    const order = sidecars.order(lossOf(0.5));
    const first = sidecars.start('hold', order);
    await first.on();
    first.child.kill('SIGKILL');
    await once(first.child, 'exit');
    const second = sidecars.start('revert alone', order);
    const { code, report } = await second.ended();
    expect([code, report]).toEqual([0, expect.objectContaining({ end: 'Stopped', evidence: expect.anything() })]);
  });

  test('finds nothing to do where nothing is on', async () => {
    const second = sidecars.start('revert alone', sidecars.order(partition()));
    expect(await second.ended()).toMatchObject({ code: 0, report: { end: 'Stopped', effective: false } });
  });

  test('leaves a tombstone that keeps a late first one from putting anything on', async () => {
    const order = sidecars.order(partition());
    const second = sidecars.start('revert', order);
    await until(async () => (await tables()).includes('squall_stop_'), 'the tombstone', 5_000);
    const late = sidecars.start('hold', order);
    expect((await late.ended()).report).toMatchObject({
      end: 'Refused',
      message: expect.stringContaining('taken back'),
    });
    expect((await second.ended()).code).toBe(0);
  });

  test('outlasts a first one that was held up, which then puts nothing back', async () => {
    const order = sidecars.order(partition());
    const first = sidecars.start('hold', order);
    await first.on();
    first.child.kill('SIGSTOP');
    const second = sidecars.start('revert', order);
    expect((await second.ended()).report?.end).toBe('Stopped');
    expect(await tables()).toBe('');
    first.child.kill('SIGCONT');
    expect((await first.ended()).report).toMatchObject({ end: 'Lost', message: expect.stringContaining('held up') });
  });
});
