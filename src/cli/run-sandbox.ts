import { ApiError } from '../kubernetes/errors.js';
import { namespaces } from '../kubernetes/resource.js';
import { awaitController } from './controller-watch.js';
import { deploy } from './deploy.js';
import { ending, onInterrupt } from './interrupt.js';
import { exitCodes, type Io } from './io.js';
import { type LocalCluster, startLocalCluster } from './local-cluster.js';
import type { RunOptions } from './run.js';
import { runAll } from './run-all.js';
import type { PlannedRun } from './runs.js';

/** `squall run --sandbox`: the same in a throw-away embedded cluster with its own controller. */
export async function runInSandbox(planned: readonly PlannedRun[], options: RunOptions, io: Io): Promise<number> {
  const interrupted = new AbortController();
  const stopListening = onInterrupt(() => interrupted.abort(new Error('interrupted')), ending);
  let local: LocalCluster | undefined;
  try {
    const { nodes = 2, namespace, isolation } = options;
    local = await startLocalCluster({
      nodes,
      controller: true,
      agents: true,
      ...(isolation && { isolation }),
      signal: interrupted.signal,
      ...(namespace && { namespace }),
    });
    for (const { object } of planned) object.metadata.namespace ||= local.connection.namespace;
    await deploy(local.connection, options.with ?? [], { io, signal: interrupted.signal });
    await createNamespaces(local, planned);
    await awaitController(local.connection);
    if (interrupted.signal.aborted) return exitCodes.Aborted;
    return await runAll(local.connection, planned, options, io);
  } catch (error) {
    if (interrupted.signal.aborted) return exitCodes.Aborted;
    throw error;
  } finally {
    // Still listening: a second Ctrl-C must not leave processes behind.
    await local?.stop();
    stopListening();
  }
}

/** An empty cluster has not the namespaces that experiments name. */
async function createNamespaces({ connection }: LocalCluster, planned: readonly PlannedRun[]): Promise<void> {
  for (const name of new Set(planned.map(({ object }) => object.metadata.namespace ?? ''))) {
    await connection.client.create(namespaces, { metadata: { name } }).catch((error: unknown) => {
      if (!(error instanceof ApiError && error.isAlreadyExists)) throw error;
    });
  }
}
