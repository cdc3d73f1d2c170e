import type { Json } from '../../src/kubernetes/resource.js';
import type { Station } from './station.js';

/** A fault that works on every kernel, and how traffic shows that it is on. */
export interface CrashFault {
  name: string;
  /** As it stands in a step. */
  step: Json;
  /** Whether it happens once, with nothing to take back. */
  oneShot: boolean;
  /** Whether a target shows it now, by real traffic. */
  isHit(station: Station, address: string, peer: string): Promise<boolean>;
}

/** So few of 20 packets come back by chance less than once in a million times, and so many never with the fault. */
const MANY = 18;

const losesSome: CrashFault['isHit'] = async (station, address, peer) =>
  (await station.ask('read', address, peer)).received < MANY;
const losesAll: CrashFault['isHit'] = async (station, address, peer) =>
  (await station.ask('read', address, peer)).received === 0;
const never: CrashFault['isHit'] = async () => false;

const lasting = (name: string, step: Json, isHit: CrashFault['isHit']): CrashFault => ({
  name,
  step,
  oneShot: false,
  isHit,
});
const once = (name: string, step: Json): CrashFault => ({ name, step, oneShot: true, isHit: never });

const DELAY_MILLISECONDS = 300;

/** All faults of agents that work without netem, each direction of its own. */
export const crashFaults: readonly CrashFault[] = [
  lasting('loss egress', { network: { loss: { share: '70%' }, direction: 'Egress' } }, losesSome),
  lasting('loss ingress', { network: { loss: { share: '70%' }, direction: 'Ingress' } }, losesSome),
  lasting('rate egress', { network: { rate: '64Kbit', direction: 'Egress' } }, losesSome),
  lasting('rate ingress', { network: { rate: '64Kbit', direction: 'Ingress' } }, losesSome),
  lasting('partition', { partition: {} }, losesAll),
  lasting(
    'delay by proxy',
    { network: { delay: { latency: `${DELAY_MILLISECONDS}ms` }, peers: { services: [{ name: 'peer' }] } } },
    async (station, address, peer) => {
      const { outcome, milliseconds } = await station.ask('dial', address, peer);
      return outcome !== 'connected' || milliseconds > DELAY_MILLISECONDS - 20;
    },
  ),
  lasting('process pause', { processPause: { containers: ['main'] } }, losesAll),
  once('process kill', { processKill: { pattern: '^sleep', signal: 'SIGKILL' } }),
  once('container kill', { containerKill: { signal: 'SIGKILL' } }),
];
