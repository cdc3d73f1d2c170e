import { existsSync } from 'node:fs';
import type * as http from 'node:http';
import type { RequestOptions } from 'node:https';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Cluster, KubeConfig } from '@kubernetes/client-node';
import { type ClusterConfig, ClusterConfigError, type Credentials, type TlsMaterial } from './cluster-config.js';
import { inCluster, isInCluster, SERVICE_ACCOUNT_FOLDER } from './in-cluster.js';
import { systemTiming } from './timing.js';

export { type ClusterConfig, ClusterConfigError, clusterAt } from './cluster-config.js';

/** Which cluster to talk to; each has kubectl's meaning. */
export interface ClusterSelection {
  /** Path of a kubeconfig; default `$KUBECONFIG`, then `~/.kube/config`, then the pod's service account. */
  kubeconfig?: string;
  /** Name of a context; default the current one. */
  context?: string;
  /** Default `process.env`. */
  environment?: NodeJS.ProcessEnv;
  /** Where a pod finds its service account; default `/var/run/secrets/kubernetes.io/serviceaccount`. */
  serviceAccountFolder?: string;
}

/**
 * Finds the cluster to talk to.
 * @throws ClusterConfigError when there is none, or it cannot be read, or lacks the context
 */
export async function loadCluster(selection: ClusterSelection = {}): Promise<ClusterConfig> {
  const environment = selection.environment ?? process.env;
  const files = kubeconfigFiles(selection.kubeconfig, environment);
  if (files.length > 0) return fromKubeconfig(files, selection.context);
  const folder = selection.serviceAccountFolder ?? SERVICE_ACCOUNT_FOLDER;
  if (isInCluster(environment, folder)) return inCluster(environment, folder);
  throw new ClusterConfigError(
    'No cluster to talk to: KUBECONFIG names no file that exists, there is no ~/.kube/config, and this is no pod. ' +
      'Name a kubeconfig with --kubeconfig, or start an embedded cluster with `squall sandbox`.',
  );
}

function kubeconfigFiles(explicit: string | undefined, environment: NodeJS.ProcessEnv): string[] {
  if (explicit) {
    if (!existsSync(explicit)) throw new ClusterConfigError(`The kubeconfig ${explicit} does not exist.`);
    return [explicit];
  }
  const listed = (environment.KUBECONFIG ?? '').split(delimiter).filter((file) => file !== '');
  // Like kubectl: files of the list that are missing are passed over.
  if (listed.length > 0) return listed.filter((file) => existsSync(file));
  const standard = join(environment.HOME ?? homedir(), '.kube', 'config');
  return existsSync(standard) ? [standard] : [];
}

/** How long credentials of a kubeconfig are used before the plug-ins and files are asked again. */
const rememberMs = 10_000;

async function fromKubeconfig(files: string[], context: string | undefined): Promise<ClusterConfig> {
  const first = await readKubeconfig(files, context);
  let config = first.config;
  let remembered: Promise<Credentials> | undefined;
  let rememberedAt = 0;
  let proxy: http.Agent | undefined;

  const read = async (fresh: boolean): Promise<Credentials> => {
    // A new KubeConfig is the only way to make client-node forget a token of an exec plug-in.
    if (fresh) config = (await readKubeconfig(files, context)).config;
    const options: RequestOptions = {};
    await config.applyToHTTPSOptions(options);
    const { ca, cert, key, rejectUnauthorized, servername } = options;
    if (first.cluster.proxyUrl) proxy ??= keepAlive(options.agent as http.Agent);
    return {
      headers: { ...headersOf(options), ...first.impersonation },
      tls: withoutUndefined({ ca, cert, key, rejectUnauthorized, servername }),
      ...(proxy ? { agent: proxy } : {}),
    };
  };

  return {
    server: first.cluster.server,
    namespace: config.getContextObject(config.currentContext)?.namespace ?? 'default',
    context: config.currentContext,
    credentials(fresh = false) {
      const now = systemTiming.now();
      if (fresh || !remembered || now - rememberedAt > rememberMs) {
        rememberedAt = now;
        const reading = read(fresh).catch((cause: unknown) => {
          if (remembered === reading) remembered = undefined;
          throw new ClusterConfigError(`No credentials for context ${first.name}: ${messageOf(cause)}`, { cause });
        });
        remembered = reading;
      }
      return remembered;
    },
  };
}

async function readKubeconfig(
  files: string[],
  context: string | undefined,
): Promise<{ config: KubeConfig; cluster: Cluster; name: string; impersonation: Credentials['headers'] }> {
  const { KubeConfig } = await import('@kubernetes/client-node/dist/config.js');
  const { impersonationHeaders } = await import('./impersonation.js');
  const config: KubeConfig = new KubeConfig();
  for (const file of files) {
    const part: KubeConfig = new KubeConfig();
    try {
      part.loadFromFile(file);
    } catch (cause) {
      throw new ClusterConfigError(`The kubeconfig ${file} cannot be read: ${messageOf(cause)}`, { cause });
    }
    merge(config, part);
  }
  const name = context ?? config.currentContext;
  const where = files.join(', ');
  const known = config.contexts.map((entry) => entry.name).join(', ') || 'none';
  if (!name)
    throw new ClusterConfigError(`${where} has no current context; choose one with --context. It knows: ${known}.`);
  const chosen = config.getContextObject(name);
  if (!chosen) throw new ClusterConfigError(`${where} has no context ${JSON.stringify(name)}. It knows: ${known}.`);
  config.setCurrentContext(name);
  const cluster = config.getCurrentCluster();
  if (!cluster)
    throw new ClusterConfigError(
      `Context ${name} of ${where} names cluster ${JSON.stringify(chosen.cluster)}, which is not in it.`,
    );
  if (!config.getCurrentUser()) useAnonymous(config, chosen);
  // client-node refuses plain http unless told that TLS is not verified; without TLS there is nothing to verify.
  if (cluster.server.startsWith('http:')) (cluster as { skipTLSVerify: boolean }).skipTLSVerify = true;
  const impersonation = await impersonationHeaders(files, chosen.user);
  return { config, cluster, name, impersonation };
}

/** The first file that names a thing wins, as in kubectl; client-node itself throws on a second one. */
function merge(into: KubeConfig, part: KubeConfig): void {
  const missing = <T extends { name: string }>(have: T[], more: T[]): T[] => [
    ...have,
    ...more.filter((entry) => !have.some(({ name }) => name === entry.name)),
  ];
  into.clusters = missing(into.clusters, part.clusters);
  into.contexts = missing(into.contexts, part.contexts);
  into.users = missing(into.users, part.users);
  if (!into.currentContext) into.currentContext = part.currentContext;
}

/** Without a user client-node ignores the cluster's certificate authority too. */
function useAnonymous(config: KubeConfig, context: { user: string }): void {
  const name = 'squall:anonymous';
  config.users = [...config.users, { name }];
  (context as { user: string }).user = name;
}

function headersOf(options: RequestOptions): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries((options.headers ?? {}) as Record<string, unknown>))
    headers[name] = String(value);
  if (options.auth) headers.Authorization = `Basic ${Buffer.from(options.auth).toString('base64')}`;
  return headers;
}

/** client-node makes the proxy agent for one request; kept, it can serve all. */
function keepAlive(agent: http.Agent): http.Agent {
  return Object.assign(agent, { keepAlive: true });
}

function withoutUndefined(tls: TlsMaterial): TlsMaterial {
  return Object.fromEntries(Object.entries(tls).filter(([, value]) => value !== undefined));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
