import type { ServiceAddress } from './probe.js';

/** What is read of a Service (core/v1). */
export interface ServiceObject {
  spec?: { clusterIP?: string; clusterIPs?: string[]; ports?: { name?: string; port: number }[] };
}

/** What is read of an EndpointSlice (discovery.k8s.io/v1). */
export interface EndpointSliceObject {
  endpoints?: { addresses?: string[]; conditions?: { ready?: boolean } }[] | null;
  ports?: { name?: string; port?: number }[] | null;
}

/** Whether the address of a Service is that of its endpoints, so that these have to be read too. */
export function isHeadless({ spec }: ServiceObject): boolean {
  return spec?.clusterIP === 'None';
}

/**
 * Where a Service can be reached: at its cluster IPs, or, when it is headless, at its ready endpoints and their own
 * ports. Undefined for a Service that only is a name for another host (`ExternalName`), which is for DNS to know.
 */
export function addressOf(service: ServiceObject, slices: readonly EndpointSliceObject[]): ServiceAddress | undefined {
  if (isHeadless(service)) return addressOfEndpoints(service, slices);
  const { clusterIP, clusterIPs = [] } = service.spec ?? {};
  const addresses = clusterIPs.length > 0 ? clusterIPs : clusterIP ? [clusterIP] : [];
  return addresses.length > 0 ? { addresses } : undefined;
}

function addressOfEndpoints({ spec }: ServiceObject, slices: readonly EndpointSliceObject[]): ServiceAddress {
  // `ready` left out means ready (the API's own rule).
  const ready = slices.flatMap(({ endpoints }) =>
    (endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false),
  );
  const ports: Record<number, number> = {};
  for (const { name = '', port } of spec?.ports ?? []) {
    const behind = slices.flatMap((slice) => slice.ports ?? []).find((candidate) => (candidate.name ?? '') === name);
    if (behind?.port !== undefined) ports[port] = behind.port;
  }
  return { addresses: [...new Set(ready.flatMap(({ addresses }) => addresses ?? []))], ports };
}
