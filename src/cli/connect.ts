import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { API_VERSION, DEFAULT_NAMESPACE } from '../api/labels.js';
import { Client, UnknownKindError } from '../kubernetes/client.js';
import { type ClusterConfig, loadCluster } from '../kubernetes/kubeconfig.js';
import { endpointSlices, type Json, services } from '../kubernetes/resource.js';
import { createTransport } from '../kubernetes/transport.js';
import type { AddressPolicy } from '../probes/address-policy.js';
import { UsageError } from './io.js';
import { userAgent } from './version.js';

/** The options that say which cluster and namespace; they mean what kubectl means by them. */
export interface ClusterOptions {
  kubeconfig?: string;
  context?: string;
  namespace?: string;
  /** Squall's own namespace. */
  systemNamespace?: string;
}

/** A cluster to talk to. */
export interface Connection {
  client: Client;
  cluster: ClusterConfig;
  /** The namespace that was asked for, or that of the context. */
  namespace: string;
  /** Squall's own namespace. */
  systemNamespace: string;
  close(): void;
}

/**
 * Connects as kubectl would.
 *
 * @throws ClusterConfigError when there is no usable kubeconfig
 */
export async function connect(options: ClusterOptions, role: string): Promise<Connection> {
  return connectTo(await loadCluster(options), options, role);
}

/** People don't wait longer for the first answer. */
const FIRST_ANSWER_MILLISECONDS = 5_000;

/**
 * Connects, and finds out that the API server is there and knows Squall's kinds.
 *
 * @param timeoutMs how long to try
 * @throws ClusterConfigError, UsageError when the kinds are missing, ConnectionError when there is no answer
 */
export async function connectToSquall(
  options: ClusterOptions,
  role: string,
  timeoutMs: number = FIRST_ANSWER_MILLISECONDS,
): Promise<Connection> {
  const connection = await connect(options, role);
  try {
    await connection.client.discover(API_VERSION, 'ExperimentRun', { timeoutMs });
    return connection;
  } catch (error) {
    connection.close();
    if (!(error instanceof UnknownKindError)) throw error;
    throw new UsageError(`${connection.cluster.server} does not serve Squall's kinds: kubectl apply -f crds/`);
  }
}

/** Connects to a cluster that is known. */
export function connectTo(cluster: ClusterConfig, options: ClusterOptions, role: string): Connection {
  // A bound for a loop gone wrong. How much the API server can take only it can say, with 429 and Retry-After.
  const transport = createTransport(cluster, { userAgent: userAgent(role), qps: 1_000, burst: 2_000 });
  return {
    client: new Client(transport),
    cluster,
    namespace: options.namespace ?? cluster.namespace,
    systemNamespace: options.systemNamespace ?? DEFAULT_NAMESPACE,
    close: () => transport.close(),
  };
}

/** Where a controller of this process must not let probes go: the API server by all its addresses, and itself. */
export async function addressPolicy({ cluster: { server }, client }: Connection): Promise<AddressPolicy> {
  const url = new URL(server);
  const port = url.port || (url.protocol === 'http:' ? '80' : '443');
  const isLocal = /^(127\.|localhost$|\[::1\]$)/.test(url.hostname);
  const inCluster = process.env.KUBERNETES_SERVICE_HOST;
  const own = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal }) => !internal)
    .map(({ address }) => address);
  const servers = [serviceAddresses(client), endpointAddresses(client), resolved(url.hostname, port)];
  return {
    // The pods of an embedded cluster live on the loopback.
    blockLoopback: !isLocal,
    blocked: [
      `${url.hostname}:${port}`,
      'kubernetes.default.svc',
      'kubernetes.default',
      'kubernetes.default.svc.cluster.local',
      ...(inCluster ? [inCluster] : []),
      ...(await Promise.all(servers)).flat(),
      ...own,
    ],
  };
}

/** The addresses of the API server's own Service, which is also there for a controller outside the cluster. */
async function serviceAddresses(client: Client): Promise<string[]> {
  try {
    const { spec } = await client.get(services, 'default', 'kubernetes', { timeoutMs: 5_000 });
    return spec?.clusterIPs ?? [];
  } catch {
    // Not there, or not to be read: probes can't find it by name either.
    return [];
  }
}

/** Where that Service leads: the API servers themselves. */
async function endpointAddresses(client: Client): Promise<string[]> {
  const labelSelector = 'kubernetes.io/service-name=kubernetes';
  try {
    const { items } = await client.list(endpointSlices, { namespace: 'default', labelSelector, timeoutMs: 5_000 });
    return items.flatMap(({ endpoints = [], ports = [] }) =>
      endpoints.flatMap(({ addresses = [] }: Json) =>
        addresses.flatMap((address: string) => ports.map(({ port }: Json) => withPort(address, port))),
      ),
    );
  } catch {
    return [];
  }
}

/** A name that can't be resolved now is still refused as a name. */
async function resolved(host: string, port: string): Promise<string[]> {
  const found = await lookup(host, { all: true }).catch(() => []);
  return found.map(({ address }) => withPort(address, port));
}

function withPort(address: string, port: string | number): string {
  return isIP(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`;
}
