import { isIP } from 'node:net';
import type { Addresses, Peers } from '../../api/peers.js';
import type { SidecarOrder, SidecarStep } from '../../faults/sidecar.js';
import { FreshAddresses, type FreshOptions } from '../fresh-addresses.js';
import type { Inputs } from '../handler.js';
import type { Place } from '../place.js';

interface Known {
  peers: FreshAddresses | undefined;
  except: FreshAddresses | undefined;
}

/** Finds what the steps of an order depend on, without the API server: names of hosts are kept up to date. */
export class SidecarInputs {
  readonly #order: SidecarOrder;
  readonly #known = new Map<string, Known>();
  #exempt: Inputs['exempt'] | undefined;

  constructor(order: SidecarOrder, options: Omit<FreshOptions, 'find'>) {
    this.#order = order;
    const fresh = (named: Peers | undefined, addresses: Addresses = { ranges: [], endpoints: [] }) =>
      named && new FreshAddresses(named.hosts ?? [], { ...options, find: async () => addresses });
    for (const { id, step, peers, except } of order.steps) {
      this.#known.set(id, { peers: fresh(step.match.peers, peers), except: fresh(step.match.except, except) });
    }
  }

  /** @throws RefusedError when a host has no address; only before the first success */
  async of({ id, step }: SidecarStep, place: Place): Promise<Inputs> {
    const known = this.#known.get(id);
    const [peers, except] = await Promise.all([known?.peers?.current(), known?.except?.current()]);
    if (!step.match.includeKubelet) this.#exempt ??= await exemptions(this.#order, place);
    const exempt = step.match.includeKubelet ? [] : (this.#exempt ?? []);
    return { ...(peers && { peers }), ...(except && { except }), exempt };
  }
}

/**
 * Where the kubelet's probes may come from, as far as can be told from inside: the node's addresses, and the pod's
 * gateway, which is the node's own bridge on many networks.
 */
async function exemptions({ hostIPs, probePorts }: SidecarOrder, { run }: Place): Promise<Inputs['exempt']> {
  if (probePorts.length === 0) return [];
  const gateways = await Promise.all(
    ['-4', '-6'].map(async (family) => {
      const { code, stdout } = await run('ip', [family, '-j', 'route', 'show', 'default']);
      const routes: { gateway?: unknown }[] = code === 0 ? JSON.parse(stdout || '[]') : [];
      return routes.map(({ gateway }) => String(gateway));
    }),
  );
  const sources = [...new Set([...hostIPs, ...gateways.flat()])].filter((address) => isIP(address) !== 0);
  return sources.flatMap((from) => probePorts.map((port) => ({ from, port })));
}
