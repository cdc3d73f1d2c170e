import { readlink } from 'node:fs/promises';
import { isIP } from 'node:net';
import type { SidecarOrder } from '../../faults/sidecar.js';
import { RefusedError } from '../handler.js';
import { canonicalAddress, networkAddresses } from '../network-addresses.js';
import type { Place, RunProgram } from '../place.js';

/**
 * The network namespace this process is in, as a place.
 * @throws RefusedError when it does not hold all of the pod's addresses, or is the node's
 */
export async function ownPlace({ pod, podIPs, hostIPs }: SidecarOrder, run: RunProgram): Promise<Place> {
  const name = `${pod.namespace}/${pod.name}`;
  const around = await networkAddresses('/proc', process.pid);
  const holds = (address: string) => around.has(canonicalAddress(address));
  const missing = podIPs.filter((address) => isIP(address) === 0 || !holds(address));
  if (podIPs.length === 0 || missing.length > 0) {
    const what = podIPs.length === 0 ? 'the pod has no address' : `the address ${missing.join(' and ')} is not here`;
    throw new RefusedError(`this is not the network of ${name}: ${what}`);
  }
  const ofNode = hostIPs.filter((address) => isIP(address) !== 0 && !isLoopback(address) && holds(address));
  if (ofNode.length > 0) {
    throw new RefusedError(
      `${name} seems to be on the network of its node, whose address ${ofNode[0]} is here: a fault would hit the whole node`,
    );
  }
  return {
    pod,
    podIPs,
    networkNamespace: await readlink('/proc/self/ns/net'),
    run,
    enter: [],
    processes: async () => [],
  };
}

/** Every namespace has these, and the nodes of an embedded cluster nothing else. */
function isLoopback(address: string): boolean {
  return address.startsWith('127.') || canonicalAddress(address) === '::1';
}
