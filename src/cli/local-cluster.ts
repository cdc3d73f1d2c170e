import { fileURLToPath } from 'node:url';
import type { Controller } from '../controller/controller.js';
import type { SidecarImage } from '../controller/sidecars/container.js';
import type { Abilities } from '../faults/abilities.js';
import { clusterAt } from '../kubernetes/kubeconfig.js';
import { type Cluster, startCluster } from '../sandbox/cluster.js';
import type { IsolationWish } from '../sandbox/isolation/isolation.js';
import { type Connection, connectTo } from './connect.js';
import { installCrds } from './install-crds.js';
import { startAgents } from './local-agents.js';
import { createLog } from './log.js';
import { ensureNamespace, startController } from './start-controller.js';

/** An embedded cluster with Squall's kinds, and with controller and agents when these were asked for. */
export interface LocalCluster {
  cluster: Cluster;
  connection: Connection;
  controller: Controller | undefined;
  /** What the nodes' agents can do; undefined when there are none. */
  abilities: Abilities | undefined;
  /** Ends everything; also while it is still starting. Resolves when no process and no port is left. */
  stop(): Promise<void>;
}

/**
 * Starts an embedded cluster.
 *
 * @param options with `agents`, each node has one where its pods have network namespaces; they need the controller
 * @throws Error when it can't start, and the reason of `signal` when that fires meanwhile; nothing is left running then
 */
export async function startLocalCluster(options: {
  nodes: number;
  port?: number;
  isolation?: IsolationWish;
  controller: boolean;
  agents: boolean;
  signal?: AbortSignal;
  namespace?: string;
  systemNamespace?: string;
}): Promise<LocalCluster> {
  const cluster = await startCluster({
    nodes: options.nodes,
    ...(options.port !== undefined && { port: options.port }),
    ...(options.isolation && { isolation: options.isolation }),
    ...(options.signal && { signal: options.signal }),
  });
  const connection = connectTo(clusterAt(cluster.url), options, 'local');
  const local: LocalCluster = {
    cluster,
    connection,
    controller: undefined,
    abilities: undefined,
    async stop() {
      await local.controller?.stop();
      connection.close();
      await cluster.stop();
    },
  };
  try {
    await installCrds(connection.client);
    await ensureNamespace(connection);
    options.signal?.throwIfAborted();
    if (options.controller)
      local.controller = await startController(connection, createLog('silent'), sidecarsIn(cluster));
    if (options.agents && cluster.isolation === 'namespaces') {
      const nodes = Array.from({ length: options.nodes }, (_, index) => `n${index + 1}`);
      local.abilities = await startAgents(connection, cluster, nodes, options.signal);
    }
    return local;
  } catch (error) {
    await local.stop();
    throw error;
  }
}

/** Where pods have networks of their own, sidecars run from this program: there are no images. */
function sidecarsIn({ isolation }: Cluster): SidecarImage | undefined {
  if (isolation !== 'namespaces') return undefined;
  return { image: 'squall', command: [process.execPath, fileURLToPath(new URL('./squall.js', import.meta.url))] };
}

/** Whether pods of an embedded cluster have namespaces, and what that means, in a line for people. */
export function isolationLine({ cluster }: LocalCluster): string {
  return cluster.isolation === 'namespaces'
    ? 'Pods have network namespaces and cgroups of their own, as on a node.'
    : `Pods share the network of this machine, so that there are no agents and no network faults: ${cluster.loopbackReason}.`;
}
