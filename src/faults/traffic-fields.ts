import { isWithin, rangeProblem } from '../api/cidr.js';
import { type Peers, peers, ports } from '../api/peers.js';
import { boolean, defaulted, enumeration, optional, string } from '../api/schema.js';
import type { Abilities, Ability } from './abilities.js';
import { lacking } from './abilities.js';
import type { FaultProblem } from './fault.js';
import type { Direction, TrafficMatch } from './step.js';

const directions = ['Egress', 'Ingress', 'Both'] as const;

/** The fields that say which packets of a target a fault means. */
export function matchFields(direction: Direction) {
  return {
    direction: defaulted(
      enumeration(
        `direction of the packets that are hit, seen from the target: Egress leave it, Ingress come to it, whoever began the conversation. Left out: ${direction}.`,
        directions,
      ),
      direction,
    ),
    device: optional(
      string(
        'device is the name of the network interface in the target, such as `net1`. Left out: the one that holds the first address of the pod.',
        { max: 15, min: 1, pattern: '^[a-zA-Z0-9_][-a-zA-Z0-9_.]*$' },
      ),
    ),
    peers: optional(
      peers(
        'peers are the other side of the traffic that is hit. Peers that stand for no address at all, or for more than 10,000, are refused. Left out: everybody.',
      ),
    ),
    except: optional(peers('except are peers that are spared, also when they are among `peers`. Left out: nobody.')),
    ports: optional(
      ports(
        'ports of which a packet must have one, on either side: with 5432 what goes to a database on that port and what it answers are hit, and with 8080 what comes to the own port 8080 and its answers. Services among `peers` are hit on their own ports, whatever stands here. Left out: all ports, and protocols without ports such as ICMP. What IPv6 needs on the link (neighbour discovery) is always spared.',
      ),
    ),
    includeKubelet: defaulted(
      boolean(
        "includeKubelet also hits the kubelet's probes. They are spared otherwise, or a liveness probe would fail and the container be restarted, which is another experiment; what was spared is counted. Left out: false.",
      ),
      false,
    ),
  };
}

/** What `matchFields` lets people write. */
export type MatchParams = { [K in keyof TrafficMatch]: TrafficMatch[K] };

/** The match of a step, from the fields of a fault. */
export function matchOf(params: MatchParams): TrafficMatch {
  const { direction, device, peers, except, ports, includeKubelet } = params;
  return {
    direction,
    includeKubelet,
    ...(device !== undefined && { device }),
    ...(peers && { peers }),
    ...(except && { except }),
    ...(ports && { ports }),
  };
}

/** What is wrong with the fields of `matchFields` that the schema can't say; `fault` is the field they stand in. */
export function matchProblems(fault: string, { peers: meant, except }: MatchParams): FaultProblem[] {
  const invalid = [...rangeProblems([fault, 'peers'], meant), ...rangeProblems([fault, 'except'], except)];
  if (invalid.length > 0 || !sparesAll(meant, except)) return invalid;
  const message = `spares all ${meant ? 'of `peers`' : 'traffic'}, so that nothing would be hit: name fewer`;
  return [{ path: [fault, 'except', 'cidrs'], message }];
}

function rangeProblems(path: string[], named: Peers | undefined): FaultProblem[] {
  return (named?.cidrs ?? []).flatMap((cidr, index) => {
    const message = rangeProblem(cidr);
    return message === undefined ? [] : [{ path: [...path, 'cidrs', index], message }];
  });
}

/** As far as it can be told without a cluster: pods, Services and hosts may have any address of either family. */
function sparesAll(meant: Peers | undefined, except: Peers | undefined): boolean {
  const others = !meant || Object.keys(meant).some((kind) => kind !== 'cidrs');
  const ranges = [...(meant?.cidrs ?? []), ...(others ? ['0.0.0.0/0', '::/0'] : [])];
  return ranges.every((range) => isWithin(range, except?.cidrs ?? []));
}

/** Why a node can't do it, in a sentence with what would help; undefined when it can. */
export function refusalFor(abilities: Abilities, needed: readonly Ability[], help: string): string | undefined {
  const missing = lacking(abilities, needed);
  return missing && `this can't be done here (${missing}); ${help}`;
}
