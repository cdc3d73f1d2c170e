import type { Place, RunProgram } from '../agent/place.js';
import { NetworkSpace } from './network-space.js';

/** A namespace with its addresses on `eth0`. */
export interface NetworkMember {
  space: NetworkSpace;
  ipv4: string;
  ipv6: string;
}

/** What `NetworkPods.start` makes. */
export interface NetworkPodsOptions {
  /** How many other namespaces the pod can talk to. Default 1. */
  peers?: number;
  /** The pod also has `net1`, with addresses of its own, as Multus would give it. */
  secondInterface?: boolean;
}

/**
 * A pod and its peers for tests as root: each a network namespace with IPv4 and IPv6 on `eth0`, joined by veth pairs and
 * a bridge in a namespace of its own. Everything goes with `stop()`, or with the process that started it.
 */
export class NetworkPods {
  readonly pod: NetworkMember;
  readonly peers: readonly NetworkMember[];
  /** Where an agent works on the pod. */
  readonly place: Place;
  readonly #switch: NetworkSpace;

  private constructor(members: NetworkMember[], hub: NetworkSpace, networkNamespace: string) {
    const [pod, ...peers] = members as [NetworkMember, ...NetworkMember[]];
    this.pod = pod;
    this.peers = peers;
    this.#switch = hub;
    this.place = placeOf(pod, networkNamespace, pod.space.run);
  }

  /** Makes the namespaces and waits until the pod reaches every peer. */
  static async start({ peers = 1, secondInterface = false }: NetworkPodsOptions = {}): Promise<NetworkPods> {
    const hub = await NetworkSpace.open();
    const opened = [hub];
    try {
      const bridge = 'type bridge stp_state 0 forward_delay 0 mcast_snooping 0';
      await hub.must('ip', ['-batch', '-'], `link add name br0 ${bridge}\nlink set br0 up\n`);
      const members: NetworkMember[] = [];
      for (let index = 0; index <= peers; index++) {
        const space = await NetworkSpace.open();
        opened.push(space);
        members.push(await joined(space, hub, 'eth0', index, '10.87.0', 'fd87::'));
      }
      if (secondInterface) await joined(members[0]!.space, hub, 'net1', 100, '10.88.0', 'fd88::');
      const made = new NetworkPods(members, hub, await members[0]!.space.name());
      await made.#reached();
      return made;
    } catch (error) {
      for (const space of opened) await space.stop();
      throw error;
    }
  }

  /** The same place with programs run by another function, such as one that fails on purpose. */
  placeWith(run: RunProgram): Place {
    return { ...this.place, run };
  }

  /** All that a fault could leave in the pod's namespace, as text: links, qdiscs, classes, filters, nft's ruleset. */
  async snapshot(): Promise<string> {
    const { space } = this.pod;
    const links = await space.must('ip', ['-o', 'link', 'show']);
    const shows = [...links.matchAll(/^\d+: ([^:@]+)/gm)].flatMap(([, device]) =>
      ['class', 'filter'].map((what) => `${what} show dev ${device}\n`),
    );
    const queueing = await space.must('tc', ['-batch', '-'], `qdisc show\n${shows.join('')}`);
    return [links, queueing, await space.must('nft', ['list', 'ruleset'])].join('\n');
  }

  /** Ends everything. */
  async stop(): Promise<void> {
    for (const { space } of [this.pod, ...this.peers]) await space.stop();
    await this.#switch.stop();
  }

  async #reached(): Promise<void> {
    for (const { ipv4, ipv6 } of this.peers) {
      for (const address of [ipv4, ipv6]) {
        const { received } = await this.pod.space.ping(address, { count: 1, wait: 5 });
        if (received === 0) throw new Error(`the pod does not reach its peer ${address}`);
      }
    }
  }
}

/** A place for a namespace that was made for a test; `run` decides how programs are run in it. */
export function placeOf(member: NetworkMember, networkNamespace: string, run: RunProgram): Place {
  return {
    pod: { namespace: 'test', name: 'pod', uid: '00000000-0000-4000-8000-000000000001' },
    networkNamespace,
    podIPs: [member.ipv4, member.ipv6],
    run,
    enter: ['nsenter', `--net=/proc/${member.space.pid}/ns/net`, '--'],
    processes: async () => [],
  };
}

async function joined(
  space: NetworkSpace,
  hub: NetworkSpace,
  device: string,
  index: number,
  prefix4: string,
  prefix6: string,
): Promise<NetworkMember> {
  const port = `port${index}`;
  const [ipv4, ipv6] = [`${prefix4}.${index + 2}`, `${prefix6}${index + 2}`];
  await hub.must('ip', ['link', 'add', port, 'type', 'veth', 'peer', 'name', device, 'netns', String(space.pid)]);
  await hub.must('ip', ['link', 'set', port, 'master', 'br0', 'up']);
  const commands = [
    'link set lo up',
    `link set ${device} up`,
    `addr add ${ipv4}/24 dev ${device}`,
    // Duplicate address detection would keep the address unusable for a second.
    `addr add ${ipv6}/64 dev ${device} nodad`,
  ];
  await space.must('ip', ['-batch', '-'], commands.join('\n'));
  return { space, ipv4, ipv6 };
}
