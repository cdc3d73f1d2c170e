import type * as http from 'node:http';
import type { RequestOptions } from 'node:https';

/** What one request needs to be let in. Holds secrets: never log it. */
export interface Credentials {
  /** `Authorization` and impersonation headers; a list is sent as one header each. */
  headers: Record<string, string | string[]>;
  tls: TlsMaterial;
  /** The agent that goes through the cluster's `proxy-url`; absent without one. */
  agent?: http.Agent;
}

/** The part of TLS options that says who is who. */
export type TlsMaterial = Pick<RequestOptions, 'ca' | 'cert' | 'key' | 'rejectUnauthorized' | 'servername'>;

/** How to reach a cluster and who we are there. */
export interface ClusterConfig {
  /** URL of the API server without a trailing slash; plain http is allowed. */
  server: string;
  /** The context's namespace, `default` when it names none. */
  namespace: string;
  /** Name of the context, or `in-cluster`; for messages. */
  context: string;
  /**
   * The credentials for the next request; read again every few seconds, so tokens and certificates may rotate.
   * @param fresh forget what is remembered: the server has just refused it
   */
  credentials(fresh?: boolean): Promise<Credentials>;
}

/** There is no usable configuration of a cluster; the message says where was looked and what to do. */
export class ClusterConfigError extends Error {
  override readonly name = 'ClusterConfigError';
}

/** A cluster without authentication at a URL: tests and the embedded cluster. */
export function clusterAt(server: string, namespace = 'default'): ClusterConfig {
  const credentials: Credentials = { headers: {}, tls: {} };
  return { server: server.replace(/\/$/, ''), namespace, context: server, credentials: async () => credentials };
}
