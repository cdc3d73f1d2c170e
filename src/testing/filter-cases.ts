import type { Addresses, Endpoint, Inputs } from '../agent/handler.js';
import type { Direction, Traffic, TrafficMatch } from '../faults/step.js';
import { whileApplied } from './applied.js';
import { arrived, echoes } from './echoes.js';
import type { KernelCase } from './kernel-case.js';
import { measuredAgain } from './measured-again.js';
import type { NetworkMember, NetworkPods } from './network-pods.js';

const DELAY_MILLISECONDS = 150;
const PORTS = [8080, 8081];

/** One kind of traffic between the pod and a peer, started by the side that the direction says. */
interface Flow {
  peer: 0 | 1;
  by: 'ping' | 'tcp' | 'udp';
  /** 0 for a ping. */
  port: number;
}

/** A way to limit a fault, and which traffic meets it then. */
interface Filter {
  name: string;
  match: Omit<TrafficMatch, 'direction' | 'includeKubelet'>;
  inputs(pods: NetworkPods): Omit<Inputs, 'exempt'>;
  hit: Flow[];
  missed: Flow[];
}

/** Peers are looked up by the agent; what they stand for comes with the inputs. */
const named = { cidrs: ['192.0.2.1'] };

const filters: Filter[] = [
  {
    name: 'named peers',
    match: { peers: named },
    inputs: ({ peers }) => ({ peers: rangesOf(peers[0]!) }),
    hit: [ping(0), tcp(0, 8080), udp(0, 8080)],
    missed: [ping(1), tcp(1, 8080)],
  },
  {
    name: 'all but some peers',
    match: { except: named },
    inputs: ({ peers }) => ({ except: rangesOf(peers[0]!) }),
    hit: [ping(1), tcp(1, 8080)],
    missed: [ping(0), tcp(0, 8080), udp(0, 8080)],
  },
  {
    name: 'a port, TCP unless told',
    match: { ports: [{ port: 8080 }] },
    inputs: () => ({}),
    hit: [tcp(0, 8080), tcp(1, 8080)],
    missed: [tcp(0, 8081), udp(0, 8080), ping(0)],
  },
  {
    name: 'a range of UDP ports',
    match: { ports: [{ port: 8000, endPort: 8080, protocol: 'UDP' }] },
    inputs: () => ({}),
    hit: [udp(0, 8080)],
    missed: [udp(0, 8081), tcp(0, 8080), ping(0)],
  },
  {
    name: 'a protocol',
    match: { ports: [{ port: 1, endPort: 65_535, protocol: 'UDP' }] },
    inputs: () => ({}),
    hit: [udp(0, 8080), udp(1, 8081)],
    missed: [tcp(0, 8080), ping(0)],
  },
  {
    name: 'ports of a network but for one peer',
    match: { peers: named, except: named, ports: [{ port: 8080 }, { port: 8080, protocol: 'UDP' }] },
    inputs: ({ peers }) => ({
      peers: { ranges: ['10.87.0.0/24', 'fd87::/64'], endpoints: [] },
      except: rangesOf(peers[1]!),
    }),
    hit: [tcp(0, 8080), udp(0, 8080)],
    missed: [tcp(1, 8080), udp(1, 8080), tcp(0, 8081), ping(0)],
  },
];

/** A port of a peer's own, as Services give them; incoming traffic has it only in answers. */
const endpoint: Filter = {
  name: 'one port of one address',
  match: { peers: named },
  inputs: ({ peers }) => ({ peers: { ranges: [], endpoints: endpointsOf(peers[0]!, 8080) } }),
  hit: [tcp(0, 8080)],
  missed: [tcp(0, 8081), tcp(1, 8080), ping(0)],
};

/** Every way to limit a fault, in every direction and over IPv4 and IPv6, seen as a delay of what is meant and nothing else. */
export const filterCases: KernelCase[] = [
  ...filters.flatMap((filter) => [
    caseOf(filter, 'Egress', 'pod'),
    caseOf(filter, 'Ingress', 'peer'),
    caseOf(filter, 'Both', 'pod'),
  ]),
  caseOf(endpoint, 'Egress', 'pod'),
  caseOf(endpoint, 'Both', 'pod'),
];

function ping(peer: 0 | 1): Flow {
  return { peer, by: 'ping', port: 0 };
}

function tcp(peer: 0 | 1, port: number): Flow {
  return { peer, by: 'tcp', port };
}

function udp(peer: 0 | 1, port: number): Flow {
  return { peer, by: 'udp', port };
}

function rangesOf({ ipv4, ipv6 }: NetworkMember): Addresses {
  return { ranges: [`${ipv4}/32`, `${ipv6}/128`], endpoints: [] };
}

function endpointsOf({ ipv4, ipv6 }: NetworkMember, port: number): Endpoint[] {
  return [ipv4, ipv6].map((address) => ({ address, port, protocol: 'TCP' }));
}

function caseOf(filter: Filter, direction: Direction, startedBy: 'pod' | 'peer'): KernelCase {
  return {
    name: `a delay of ${DELAY_MILLISECONDS} ms limited to ${filter.name}, ${direction}`,
    async run({ pods, measured }) {
      await listenOnce(pods);
      const step: Traffic = {
        do: 'traffic',
        match: { direction, includeKubelet: true, ...filter.match },
        netem: { delay: { latencyMilliseconds: DELAY_MILLISECONDS } },
      };
      const inputs = { exempt: [], ...filter.inputs(pods) };
      const trips = async () => ({
        least: Math.min(...(await roundTrips(pods, filter.hit, startedBy))),
        most: Math.max(...(await roundTrips(pods, filter.missed, startedBy))),
      });
      const isRight = (found: { least: number; most: number }) =>
        found.least >= DELAY_MILLISECONDS - 0.5 && found.most < DELAY_MILLISECONDS;
      const { result } = await whileApplied(pods, step, () => measuredAgain(trips, isRight), inputs);
      const { least, most } = result;
      measured({ what: 'meant, least', expected: `≥ ${DELAY_MILLISECONDS} ms`, measured: `${least.toFixed(1)} ms` });
      measured({ what: 'not meant, most', expected: `< ${DELAY_MILLISECONDS} ms`, measured: `${most.toFixed(1)} ms` });
      if (!isRight(result)) throw new Error(`meant: ${least} ms at least, not meant: ${most} ms at most`);
    },
  };
}

/** The least round trip in milliseconds of each flow over IPv4 and IPv6: a busy machine delays some, a fault all of them. */
function roundTrips(pods: NetworkPods, flows: readonly Flow[], startedBy: 'pod' | 'peer'): Promise<number[]> {
  const trips = flows.flatMap((flow) =>
    (['ipv4', 'ipv6'] as const).map(async (family) => {
      const peer = pods.peers[flow.peer]!;
      const [from, to] = startedBy === 'pod' ? [pods.pod, peer] : [peer, pods.pod];
      const times = await echo(from, to[family], flow);
      if (times.length === 0) throw new Error(`no answer from ${to[family]} by ${flow.by} ${flow.port}`);
      return Math.min(...times);
    }),
  );
  return Promise.all(trips);
}

async function echo({ space }: NetworkMember, address: string, { by, port }: Flow): Promise<number[]> {
  const count = 4;
  if (by === 'ping') return arrived(await echoes(space, address, { count, intervalSeconds: 0.05 }));
  if (by === 'udp') return (await space.udpEcho(address, port, { count, pause: 50, waitMilliseconds: 2_000 })).times;
  const { times, error } = await space.tcpEcho(address, port, { count, timeoutMilliseconds: 5_000 });
  if (error !== undefined) throw new Error(`${address} port ${port}: ${error}`);
  return times;
}

const listening = new WeakSet<NetworkPods>();

async function listenOnce(pods: NetworkPods): Promise<void> {
  if (listening.has(pods)) return;
  listening.add(pods);
  for (const { space } of [pods.pod, ...pods.peers])
    for (const port of PORTS) for (const protocol of ['tcp', 'udp'] as const) await space.listen(protocol, port);
}
