import type { Controller } from '../controller/controller.js';
import { clusterAt } from '../kubernetes/kubeconfig.js';
import { type Cluster, startCluster } from '../sandbox/cluster.js';
import { type Connection, connectTo } from './connect.js';
import { installCrds } from './install-crds.js';
import { createLog } from './log.js';
import { ensureNamespace, startController } from './start-controller.js';

/** An embedded cluster with Squall's kinds, and with a controller when that was asked for. */
export interface LocalCluster {
  cluster: Cluster;
  connection: Connection;
  controller: Controller | undefined;
  /** Ends everything; also while it is still starting. Resolves when no process and no port is left. */
  stop(): Promise<void>;
}

/**
 * Starts an embedded cluster on the loopback.
 *
 * @throws Error when it can't start, and the reason of `signal` when that fires meanwhile; nothing is left running then
 */
export async function startLocalCluster(options: {
  nodes: number;
  port?: number;
  controller: boolean;
  signal?: AbortSignal;
  namespace?: string;
  systemNamespace?: string;
}): Promise<LocalCluster> {
  const cluster = await startCluster({
    nodes: options.nodes,
    ...(options.port !== undefined && { port: options.port }),
    ...(options.signal && { signal: options.signal }),
  });
  const connection = connectTo(clusterAt(cluster.url), options, 'local');
  const local: LocalCluster = {
    cluster,
    connection,
    controller: undefined,
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
    if (options.controller) local.controller = await startController(connection, createLog('silent'));
    return local;
  } catch (error) {
    await local.stop();
    throw error;
  }
}
