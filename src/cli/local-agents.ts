import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AGENT_LEASE_PREFIX, ANNOTATION_ABILITIES, LABEL_PART_OF, PART_OF } from '../api/labels.js';
import { nodeMark } from '../api/node-mark.js';
import type { Abilities } from '../faults/abilities.js';
import { ensure } from '../kubernetes/apply.js';
import { ApiError } from '../kubernetes/errors.js';
import { type KubeObject, leases } from '../kubernetes/resource.js';
import type { Cluster } from '../sandbox/cluster.js';
import type { Connection } from './connect.js';

const READY_WITHIN_MILLISECONDS = 30_000;
const LOOK_EVERY_MILLISECONDS = 50;
const NAME = 'squall-agent';
/** The bundle of the command line lies beside this one. */
const program = fileURLToPath(new URL('./squall.js', import.meta.url));

/**
 * Runs an agent on each node of an embedded cluster, as a DaemonSet of real processes, and waits until all of them are
 * ready.
 *
 * @returns what they can do; all nodes are one machine
 * @throws Error with the end of an agent's log when it is not ready within 30 s, and the reason of `signal`
 */
export async function startAgents(
  connection: Connection,
  cluster: Cluster,
  nodes: readonly string[],
  signal?: AbortSignal,
): Promise<Abilities> {
  const state = join(cluster.directory, 'agents');
  await Promise.all(nodes.map((node) => mkdir(join(state, node), { recursive: true, mode: 0o700 })));
  await ensure(connection.client, daemonSet(connection, cluster.url, state));
  const deadline = performance.now() + READY_WITHIN_MILLISECONDS;
  for (;;) {
    signal?.throwIfAborted();
    const heartbeats = await Promise.all(nodes.map((node) => heartbeatOf(connection, node)));
    const missing = nodes.filter((_, index) => heartbeats[index] === undefined);
    if (missing.length === 0) return JSON.parse(heartbeats[0]?.metadata.annotations?.[ANNOTATION_ABILITIES] ?? '{}');
    if (performance.now() > deadline) {
      throw new Error(
        `the agents of ${missing.join(', ')} were not ready within 30 s:\n${await lastWords(connection, cluster.url)}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MILLISECONDS));
  }
}

async function heartbeatOf({ client, systemNamespace }: Connection, node: string): Promise<KubeObject | undefined> {
  try {
    return await client.get(leases, systemNamespace, `${AGENT_LEASE_PREFIX}${nodeMark(node)}`);
  } catch (error) {
    if (error instanceof ApiError && error.isNotFound) return undefined;
    throw error;
  }
}

/** The agents need neither a service account nor mounts here: there is no authentication, and they are no containers. */
function daemonSet({ systemNamespace }: Connection, server: string, state: string): KubeObject {
  const labels = { [LABEL_PART_OF]: PART_OF, 'app.kubernetes.io/component': 'agent' };
  const place = ['--node', '$(NODE_NAME)', '--server', server, '--state', join(state, '$(NODE_NAME)')];
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: NAME, namespace: systemNamespace, labels },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          hostNetwork: true,
          hostPID: true,
          tolerations: [{ operator: 'Exists' }],
          containers: [
            {
              name: 'agent',
              image: 'squall',
              command: [process.execPath, program, 'agent', ...place, '--namespace', systemNamespace],
              env: [{ name: 'NODE_NAME', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } }],
            },
          ],
        },
      },
    },
  };
}

async function lastWords({ client, systemNamespace }: Connection, server: string): Promise<string> {
  const pods = { group: '', version: 'v1', plural: 'pods', namespaced: true };
  const [pod] = (await client.list(pods, { namespace: systemNamespace })).items;
  const path = `/api/v1/namespaces/${systemNamespace}/pods/${pod?.metadata.name}/log?tailLines=10`;
  return (await fetch(`${server}${path}`)).text();
}
