import { describe, expect, test } from '@jest/globals';
import type { SidecarOrder, SidecarStep } from '../../faults/sidecar.js';
import type { TrafficMatch } from '../../faults/step.js';
import type { LookUp } from '../host-names.js';
import type { Place, RunProgram } from '../place.js';
import { SidecarInputs } from './sidecar-inputs.js';

const stepWith = (match: Partial<TrafficMatch>, more: Partial<SidecarStep> = {}): SidecarStep => ({
  id: '0badcafe',
  step: { do: 'traffic', match: { direction: 'Both', includeKubelet: false, ...match }, drop: 1 },
  ...more,
});
const orderOf = (step: SidecarStep, more: Partial<SidecarOrder> = {}): SidecarOrder => ({
  pod: { namespace: 'shop', name: 'web', uid: 'u' },
  podIPs: ['10.1.0.5'],
  hostIPs: ['192.0.2.7'],
  probePorts: [],
  steps: [step],
  milliseconds: 1_000,
  startBy: 0,
  onDrift: 'Reapply',
  drifts: 0,
  ...more,
});

const routes: RunProgram = async (_program, [family]) => ({
  code: 0,
  stdout: family === '-4' ? JSON.stringify([{ dst: 'default', gateway: '10.1.0.1' }]) : '',
  stderr: '',
});
const place = { run: routes } as unknown as Place;

function inputsOf(order: SidecarOrder, lookUp: LookUp, clock = { now: 0 }) {
  const problems: string[] = [];
  const timing = { now: () => clock.now, schedule: () => () => {} };
  const inputs = new SidecarInputs(order, { timing, lookUp, onProblem: (problem) => problems.push(problem) });
  return { problems, look: () => inputs.of(order.steps[0]!, place) };
}
const unknown: LookUp = async () => {
  throw Object.assign(new Error('no'), { code: 'ENOTFOUND' });
};

describe('what a step of a sidecar depends on', () => {
  test('is nothing where it names no peers and nothing is probed', async () => {
    expect(await inputsOf(orderOf(stepWith({})), unknown).look()).toEqual({ exempt: [] });
  });

  test('are the addresses it was told, also when they are none', async () => {
    const except = {
      ranges: ['10.0.0.0/8'],
      endpoints: [{ address: '10.3.0.1', port: 443, protocol: 'TCP' as const }],
    };
    const step = stepWith({ peers: {}, except: {} }, { except });
    expect(await inputsOf(orderOf(step), unknown).look()).toMatchObject({
      peers: { ranges: [], endpoints: [] },
      except,
    });
  });

  test('are the hosts it looks up, again and again', async () => {
    const clock = { now: 0 };
    let address = '198.51.100.1';
    const lookUp: LookUp = async () => ({ addresses: [address], timeToLiveSeconds: 1 });
    const step = stepWith({ peers: { hosts: ['db.example'] } }, { peers: { ranges: ['10.0.0.1/32'], endpoints: [] } });
    const { look } = inputsOf(orderOf(step), lookUp, clock);
    expect((await look()).peers?.ranges).toEqual(['10.0.0.1/32', '198.51.100.1/32']);
    address = '198.51.100.2';
    clock.now = 6_000;
    expect((await look()).peers?.ranges).toEqual(['10.0.0.1/32', '198.51.100.2/32']);
  });

  test('are the last known ones while the fault itself cuts the DNS off', async () => {
    const clock = { now: 0 };
    let lookUp: LookUp = async () => ({ addresses: ['198.51.100.1'], timeToLiveSeconds: 0 });
    const step = stepWith({ peers: { hosts: ['db.example'] } });
    const { look, problems } = inputsOf(orderOf(step), (host) => lookUp(host), clock);
    await look();
    lookUp = unknown;
    clock.now = 60_000;
    expect((await look()).peers?.ranges).toEqual(['198.51.100.1/32']);
    expect(problems).toEqual([expect.stringContaining('the last known ones are used')]);
  });

  test('can not be said of a host that nobody has ever known', async () => {
    const step = stepWith({ peers: { hosts: ['db.example'] } });
    await expect(inputsOf(orderOf(step), unknown).look()).rejects.toThrow("no address for 'db.example'");
  });

  test('are the probes of the kubelet, from the node and from the gateway', async () => {
    const order = orderOf(stepWith({}), { probePorts: [8080] });
    expect((await inputsOf(order, unknown).look()).exempt).toEqual([
      { from: '192.0.2.7', port: 8080 },
      { from: '10.1.0.1', port: 8080 },
    ]);
  });

  test('are no probes when these are to be hit', async () => {
    const order = orderOf(stepWith({ includeKubelet: true }), { probePorts: [8080] });
    expect((await inputsOf(order, unknown).look()).exempt).toEqual([]);
  });
});
