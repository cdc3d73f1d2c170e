import type { Inputs, Sighting } from '../agent/handler.js';
import { trafficHandler } from '../agent/traffic/handler.js';
import type { TrafficUndo } from '../agent/traffic/plan.js';
import type { Evidence } from '../api/injection.js';
import type { Traffic, TrafficMatch } from '../faults/step.js';
import { NetworkPods } from './network-pods.js';

/** Peers that the step names; what they stand for comes with the inputs. */
export const named = { cidrs: ['192.0.2.1'] };

/** Inputs of a step that names no peers. */
export const nobody: Inputs = { exempt: [] };

/** Inputs with peers that are ranges. */
export function only(...ranges: string[]): Inputs {
  return { peers: { ranges, endpoints: [] }, exempt: [] };
}

/** A step that loses all packets, in both directions unless told. */
export function partition(match: Partial<TrafficMatch> = {}): Traffic {
  return lossOf(1, match);
}

/** A step that loses a share of the packets. */
export function lossOf(drop: number, match: Partial<TrafficMatch> = {}): Traffic {
  return { do: 'traffic', match: { direction: 'Both', includeKubelet: false, ...match }, drop };
}

/** A step that limits the rate. */
export function limit(rateBitsPerSecond: number, match: Partial<TrafficMatch> = {}): Traffic {
  return { do: 'traffic', match: { direction: 'Both', includeKubelet: false, ...match }, rateBitsPerSecond };
}

/** Pods with listeners, and the traffic handler on the pod as an agent uses it. */
export class TrafficWorld {
  private constructor(readonly pods: NetworkPods) {}

  /** Two peers; every namespace echoes TCP on 8080 and 8081, UDP on 5353 and 5354, and counts UDP on 9999, TCP on 9000. */
  static async start(): Promise<TrafficWorld> {
    const pods = await NetworkPods.start({ peers: 2, secondInterface: true });
    for (const { space } of [pods.pod, ...pods.peers]) {
      for (const port of [8080, 8081]) await space.listen('tcp', port);
      for (const port of [5353, 5354]) await space.listen('udp', port);
      await space.listen('udp', 9999, 'sink');
      await space.listen('tcp', 9000, 'sink');
    }
    return new TrafficWorld(pods);
  }

  /** Puts a step on. */
  async on(step: Traffic, inputs: Inputs = nobody, id = '0badcafe'): Promise<TrafficUndo> {
    const undo = await trafficHandler.prepare(step, this.pods.place, id, inputs);
    await trafficHandler.apply(undo, this.pods.place, inputs);
    return undo;
  }

  /** Looks at a step that is on. */
  hold(undo: TrafficUndo, inputs: Inputs = nobody): Promise<Sighting> {
    return trafficHandler.hold(undo, this.pods.place, inputs);
  }

  /** Takes a step back. */
  off(undo: TrafficUndo): Promise<Evidence> {
    return trafficHandler.revert(undo, this.pods.place);
  }

  /** Whether an echo comes back from a peer, or with `from: 'peer'` from the pod. */
  async reaches(
    by: 'ping' | 'tcp' | 'udp',
    { peer = 0, port = by === 'tcp' ? 8080 : 5353, from = 'pod', version = 4 }: Reach = {},
  ): Promise<boolean> {
    const [pod, other] = [this.pods.pod, this.pods.peers[peer]!];
    const [{ space }, to] = from === 'pod' ? [pod, other] : [other, pod];
    const address = version === 4 ? to.ipv4 : to.ipv6;
    if (by === 'ping') return (await space.ping(address, { count: 1, wait: 0.3 })).received > 0;
    if (by === 'tcp') return (await space.tcpEcho(address, port, { timeoutMilliseconds: 300 })).times.length > 0;
    return (await space.udpEcho(address, port, { waitMilliseconds: 300 })).order.length > 0;
  }
}

/** Which way `TrafficWorld.reaches` looks; port 8080 for TCP and 5353 for UDP unless told. */
export interface Reach {
  peer?: 0 | 1;
  port?: number;
  from?: 'pod' | 'peer';
  version?: 4 | 6;
}
