import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ClusterConfig, ClusterConfigError, type TlsMaterial } from './cluster-config.js';
import { systemTiming } from './timing.js';

/** client-go reads the token file again after a minute; the kubelet replaces it long before it expires. */
const tokenAgeMs = 60_000;

/** Where a pod finds its service account, unless told otherwise. */
export const SERVICE_ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Whether this process runs in a pod that has a service account. */
export function isInCluster(environment: NodeJS.ProcessEnv, folder = SERVICE_ACCOUNT_FOLDER): boolean {
  return Boolean(environment.KUBERNETES_SERVICE_HOST) && existsSync(join(folder, 'token'));
}

/**
 * The cluster this pod runs in, as its service account. Its files are read again every minute: the kubelet replaces them.
 * @throws ClusterConfigError when there is no certificate authority
 */
export async function inCluster(
  environment: NodeJS.ProcessEnv,
  folder = SERVICE_ACCOUNT_FOLDER,
): Promise<ClusterConfig> {
  const host = environment.KUBERNETES_SERVICE_HOST ?? '';
  const port = environment.KUBERNETES_SERVICE_PORT ?? '443';
  const ca = await readFile(join(folder, 'ca.crt')).catch((cause: unknown) => {
    throw new ClusterConfigError(`The pod's service account has no certificate authority: ${messageOf(cause)}`, {
      cause,
    });
  });
  const namespace = await readFile(join(folder, 'namespace'), 'utf8').catch(() => 'default');
  let tls: TlsMaterial = { ca };
  let token = '';
  let readAt = Number.NEGATIVE_INFINITY;
  const read = async () => {
    token = (await readFile(join(folder, 'token'), 'utf8')).trim();
    const current = await readFile(join(folder, 'ca.crt'));
    // Another object has the connections made anew.
    if (!current.equals(tls.ca as Buffer)) tls = { ca: current };
  };
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    namespace: namespace.trim(),
    context: 'in-cluster',
    async credentials(fresh = false) {
      const now = systemTiming.now();
      if (fresh || now - readAt > tokenAgeMs) {
        await read();
        readAt = now;
      }
      return { headers: { Authorization: `Bearer ${token}` }, tls };
    },
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
