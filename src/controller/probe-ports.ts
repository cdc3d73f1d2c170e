import { LABEL_FOR_PROBES } from '../api/labels.js';
import type { Client } from '../kubernetes/client.js';
import { ApiError } from '../kubernetes/errors.js';
import { endpointSlices, type Json, services } from '../kubernetes/resource.js';
import type { ResourceQuery, ServiceAddress } from '../probes/probe.js';
import type { ProbePorts, ResourceAnswer } from '../probes/runner.js';

/** Objects that a list probe may read; more is refused rather than read. */
const MAX_OBJECTS = 1_000;
const READ_TIMEOUT_MILLISECONDS = 10_000;

/** What probes ask of the API server, answered with the controller's client. */
export function probePorts(client: Client): ProbePorts {
  return {
    resolveService: (namespace, name) => resolveService(client, namespace, name),
    readResource: (query) => readResource(client, query).catch(sayHowToAllow),
  };
}

async function resolveService(client: Client, namespace: string, name: string): Promise<ServiceAddress | undefined> {
  const service = await unlessMissing(client.get(services, namespace, name, { timeoutMs: READ_TIMEOUT_MILLISECONDS }));
  // An ExternalName is an alias that only DNS can follow.
  if (!service || service.spec?.type === 'ExternalName') return undefined;
  const clusterIPs: string[] = service.spec?.clusterIPs ?? [service.spec?.clusterIP].filter(Boolean);
  if (clusterIPs.length > 0 && clusterIPs[0] !== 'None') return { addresses: clusterIPs };
  return headless(client, namespace, name, service.spec?.ports ?? []);
}

async function headless(client: Client, namespace: string, name: string, ports: Json[]): Promise<ServiceAddress> {
  const slices = await client.list(endpointSlices, {
    namespace,
    labelSelector: `kubernetes.io/service-name=${name}`,
    timeoutMs: READ_TIMEOUT_MILLISECONDS,
  });
  const endpoints: Json[] = slices.items.flatMap((slice) => slice.endpoints ?? []);
  const addresses = endpoints
    .filter(({ conditions }) => conditions?.ready !== false)
    .flatMap((each) => each.addresses ?? []);
  const byName = new Map<string, number>(
    slices.items.flatMap((slice) => slice.ports ?? []).map((port: Json) => [port.name ?? '', port.port]),
  );
  const mapped = ports.map(({ name: portName = '', port }) => [port, byName.get(portName) ?? port]);
  return { addresses, ports: Object.fromEntries(mapped) };
}

async function readResource(client: Client, query: ResourceQuery): Promise<ResourceAnswer> {
  const options = { timeoutMs: READ_TIMEOUT_MILLISECONDS };
  const resource = await client.discover(query.apiVersion, query.kind, options);
  const namespace = resource.namespaced ? query.namespace : undefined;
  if (query.name !== undefined) {
    const object = await unlessMissing(client.get(resource, namespace, query.name, options));
    return object && { object };
  }
  const page = await client.list(resource, {
    namespace,
    labelSelector: query.labelSelector,
    limit: MAX_OBJECTS,
    ...options,
  });
  if (page.continue !== '')
    throw new Error(`there are more than ${MAX_OBJECTS} ${query.kind} objects: narrow the selector`);
  return { objects: page.items };
}

/** What the account may read, the controller has to be allowed to read too. */
function sayHowToAllow(error: unknown): never {
  if (!(error instanceof ApiError && error.isForbidden)) throw error;
  throw new Error(`${error.message}; a ClusterRole with the label ${LABEL_FOR_PROBES}: "true" would allow it`);
}

async function unlessMissing<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof ApiError && error.isNotFound) return undefined;
    throw error;
  }
}
