import { describe, expect, test } from '@jest/globals';
import { compileSchema } from '../sandbox/schema/index.js';
import { type Abilities, abilities } from './abilities.js';
import type { AgentPlan, Fault } from './fault.js';
import { network } from './network.js';
import { partition } from './partition.js';

const able = Object.fromEntries(abilities.map((ability) => [ability, ''])) as Abilities;
const withoutNetem: Abilities = { ...able, netem: 'the kernel has no sch_netem' };

/** A fault's parameters as the API server stores them: with defaults, or the first of its complaints. */
function stored(fault: Fault, params: object): object {
  const { errors, object } = compileSchema(fault.schema.json).apply(params);
  if (errors[0]) throw new Error(`${errors[0].field}: ${errors[0].detail}`);
  return object as object;
}

function planned(fault: Fault, params: object, has: Abilities = able): AgentPlan {
  if (fault.by !== 'Agent') throw new Error('expected a fault that agents carry out');
  return fault.plan(stored(fault, params), has);
}

const egress = { direction: 'Egress', includeKubelet: false };
const peers = { services: [{ name: 'database' }] };

describe('network', () => {
  test('delays in milliseconds, also less than one', () => {
    const delay = { latency: '0.25ms', jitter: '0.05ms', correlation: 75, distribution: 'normal' };
    const wanted = {
      latencyMilliseconds: 0.25,
      jitterMilliseconds: 0.05,
      correlation: 0.75,
      distribution: 'normal',
    };
    expect(planned(network, { delay })).toEqual({
      steps: [{ do: 'traffic', match: egress, netem: { delay: wanted } }],
    });
  });

  test('leaves loss to nft, and to netem when it is correlated', () => {
    expect(planned(network, { loss: { share: '0.5%' } })).toEqual({
      steps: [{ do: 'traffic', match: egress, drop: 0.005 }],
    });
    expect(planned(network, { loss: { share: '30%', correlation: 0 } }, withoutNetem)).toHaveProperty('steps');
    expect(planned(network, { loss: { share: '30%', correlation: 25 } })).toEqual({
      steps: [{ do: 'traffic', match: egress, netem: { loss: { share: 0.3, correlation: 0.25 } } }],
    });
  });

  test('does everything at once in one step', () => {
    const share = '1%';
    const params = {
      delay: { latency: '1m' },
      loss: { share },
      duplicate: { share },
      corrupt: { share },
      reorder: { share, gap: 5 },
      rate: '1.5Mbit',
      direction: 'Both',
      device: 'net1',
      ports: [{ port: 80 }],
      except: { cidrs: ['10.0.0.0/8'] },
      includeKubelet: true,
    };
    expect(planned(network, params)).toEqual({
      steps: [
        {
          do: 'traffic',
          match: {
            direction: 'Both',
            device: 'net1',
            ports: [{ port: 80 }],
            except: { cidrs: ['10.0.0.0/8'] },
            includeKubelet: true,
          },
          drop: 0.01,
          rateBitsPerSecond: 1_500_000,
          netem: {
            delay: { latencyMilliseconds: 60_000 },
            duplicate: { share: 0.01 },
            corrupt: { share: 0.01 },
            reorder: { share: 0.01, gap: 5 },
          },
        },
      ],
    });
  });

  test('delays TCP to listed peers by a proxy where the kernel has no netem', () => {
    expect(planned(network, { delay: { latency: '100ms', jitter: '5ms' }, peers }, withoutNetem)).toEqual({
      steps: [{ do: 'tcpDelay', match: { ...egress, peers }, latencyMilliseconds: 100, jitterMilliseconds: 5 }],
    });
    const ports = [{ port: 5432 }];
    const byAddress = { delay: { latency: '1s' }, peers: { cidrs: ['10.0.0.1'] }, ports };
    expect(planned(network, byAddress, withoutNetem)).toHaveProperty('steps.0.do', 'tcpDelay');
  });

  test.each([
    ['there are no peers', {}],
    ['the peers have no ports', { peers: { cidrs: ['10.0.0.1'] } }],
    ['a port is of UDP', { peers, ports: [{ port: 53, protocol: 'UDP' }] }],
    ['it is not about egress', { peers, direction: 'Both' }],
    ['there is more to do', { peers, rate: '1Mbit' }],
    ['the jitter has a distribution', { peers, delay: { latency: '1s', jitter: '1s', distribution: 'pareto' } }],
  ])('is refused where the kernel has no netem and %s, with what would work', (_, more) => {
    const { refusal } = planned(network, { delay: { latency: '1s' }, ...more }, withoutNetem) as { refusal: string };
    expect(refusal).toMatch(/^this can't be done here \(netem: the kernel has no sch_netem\); .*`direction: Egress`/);
  });

  test('takes an ifb device only to shape what comes in', () => {
    const has = { ...able, ifb: 'the kernel has no ifb' };
    expect(planned(network, { rate: '1Mbit', direction: 'Ingress' }, has)).toHaveProperty('refusal');
    expect(planned(network, { loss: { share: '1%' }, direction: 'Ingress' }, has)).toHaveProperty('steps');
    expect(planned(network, { rate: '1Mbit' }, has)).toHaveProperty('steps');
  });

  test.each([
    [{}, /at least one of `delay`, .* must be given/],
    [{ latency: '100ms' }, /at least one of/],
    [{ delay: { latency: '0s' } }, /longer than 0s/],
    [{ delay: { latency: '100h' } }, /at most 60s/],
    [{ delay: { latency: '100' } }, /delay.latency/],
    [{ delay: { latency: '1s', jitter: '2s' } }, /not be longer than `latency`/],
    [{ delay: { latency: '1s', distribution: 'normal' } }, /only be given with `jitter`/],
    [{ loss: { share: '101%' } }, /loss.share/],
    [{ loss: { share: '0%' } }, /more than 0%/],
    [{ loss: { share: '0.0000%' } }, /more than 0%/],
    [{ loss: { share: 30 } }, /loss.share/],
    [{ loss: { share: '5%', correlation: 101 } }, /loss.correlation/],
    [{ reorder: { share: '5%' } }, /only be given with `delay`/],
    [{ rate: '7Kbit' }, /at least '8Kbit'/],
    [{ rate: '0.008Mbit', direction: 'Out' }, /direction/],
    [{ rate: '10.1Gbit' }, /at most '10Gbit'/],
    [{ rate: '10mbps' }, /rate/],
    [{ rate: '1Mbit', device: 'eth0" drop' }, /device/],
    [{ rate: '1Mbit', peers: {} }, /at least one of `pods`/],
    [{ rate: '1Mbit', peers: { cidrs: ['fd00::/8; drop'] } }, /cidrs/],
    [{ rate: '1Mbit', ports: [{ port: 0 }] }, /port/],
    [{ rate: '1Mbit', ports: [{ port: 2, endPort: 1 }] }, /must not be below `port`/],
  ])('%j is refused', (params, message) => {
    expect(() => stored(network, params)).toThrow(message);
  });

  test.each(['8Kbit', '512Kbit', '0.5Mbit', '10Gbit'])('a rate of %s is fine', (rate) => {
    expect(stored(network, { rate })).toMatchObject({ rate });
  });
});

describe('partition', () => {
  test('loses everything, in both directions unless one is named', () => {
    expect(planned(partition, {})).toEqual({
      steps: [{ do: 'traffic', match: { direction: 'Both', includeKubelet: false }, drop: 1 }],
    });
  });

  test('needs no more than nft for what comes in', () => {
    const has = { ...able, htb: 'the kernel has no sch_htb' };
    expect(planned(partition, { direction: 'Ingress' }, has)).toHaveProperty('steps');
    expect(planned(partition, {}, has)).toEqual({
      refusal: "this can't be done here (htb: the kernel has no sch_htb); with `direction: Ingress` nft is enough",
    });
  });
});
