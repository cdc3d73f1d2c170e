import type { Addresses, Endpoint } from '../api/peers.js';
import { RefusedError } from '../api/refused-error.js';
import type { Client } from './client.js';
import { ApiError } from './errors.js';
import { endpointSlices, type Json, type KubeObject, services } from './resource.js';

/**
 * The addresses and ports a Service is reached at: its cluster addresses with its own ports, and those of the pods behind
 * it with the ports they listen on, as packets carry the one before the node has translated them and the other after.
 * @throws RefusedError when there is no such Service, or it is only another name of a host
 */
export async function endpointsOf(client: Client, namespace: string, name: string): Promise<Addresses> {
  const service = await client.get(services, namespace, name).catch((error: unknown) => {
    if (error instanceof ApiError && error.isNotFound) {
      throw new RefusedError(
        `there is no Service '${name}' in namespace '${namespace}': one in another namespace needs its \`namespace\` given`,
      );
    }
    throw error;
  });
  if (service.spec?.type === 'ExternalName') {
    throw new RefusedError(
      `Service '${namespace}/${name}' only stands for the host ${service.spec.externalName}: name that under hosts`,
    );
  }
  const endpoints = clusterEndpoints(service);
  const pages = client.listAll(endpointSlices, {
    namespace,
    labelSelector: `kubernetes.io/service-name=${name}`,
    resourceVersion: '0',
  });
  let behind: Addresses = { ranges: [], endpoints: [] };
  for await (const { items, restarted } of pages) {
    const found = items.filter(({ addressType }) => addressType !== 'FQDN').map(sliceEndpoints);
    behind = {
      ranges: [...(restarted ? [] : behind.ranges), ...found.flatMap((part) => part.ranges)],
      endpoints: [...(restarted ? [] : behind.endpoints), ...found.flatMap((part) => part.endpoints)],
    };
  }
  return { ranges: behind.ranges, endpoints: [...endpoints, ...behind.endpoints] };
}

function clusterEndpoints({ spec }: KubeObject): Endpoint[] {
  const addresses: string[] = (spec?.clusterIPs ?? [spec?.clusterIP]).filter(
    (address: string | undefined) => address !== undefined && address !== '' && address !== 'None',
  );
  const ports: Json[] = spec?.ports ?? [];
  return addresses.flatMap((address) =>
    ports.map(({ port, protocol }) => ({ address, port, protocol: protocol ?? 'TCP' })),
  );
}

/** Without ports a slice means all of them. */
function sliceEndpoints({ endpoints, ports }: KubeObject): Addresses {
  const addresses: string[] = (endpoints ?? []).flatMap((endpoint: Json) => endpoint.addresses ?? []);
  if (ports === undefined || ports === null) return { ranges: addresses, endpoints: [] };
  const numbered: Json[] = ports.filter(({ port }: Json) => port !== undefined && port !== null);
  return {
    ranges: numbered.length < ports.length ? addresses : [],
    endpoints: addresses.flatMap((address) =>
      numbered.map(({ port, protocol }) => ({ address, port, protocol: protocol ?? 'TCP' })),
    ),
  };
}
