import { startCluster } from '../src/sandbox/cluster.js';
import type { Store } from '../src/sandbox/store/types.js';
import { allowEverything } from '../src/testing/identities.js';
import type { PodBatch, SandboxMessage } from './sandbox-messages.js';

/** How many pods are created between two answers to requests. */
const PODS_AT_ONCE = 200;

/** Creates pods straight in the store, and resolves when all of them are Ready. */
async function createPods(store: Store, batch: PodBatch): Promise<void> {
  const missing = new Set<string>();
  for (let index = 0; index < batch.count; index += 1) missing.add(`${batch.prefix}-${index}`);
  const ready = new Promise<void>((resolve) => {
    const unsubscribe = store.subscribe('pods', ({ object }) => {
      if (object.metadata.namespace !== batch.namespace || !object.status?.podIP) return;
      missing.delete(object.metadata.name);
      if (missing.size > 0) return;
      unsubscribe();
      resolve();
    });
  });
  for (const [index, name] of [...missing].entries()) {
    store.create('pods', podOf(name, batch));
    if (index % PODS_AT_ONCE === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await ready;
}

/** A pod of about the size of a plain one of a Deployment. Bound at once: the scheduler is not what is measured. */
function podOf(name: string, { namespace, app }: PodBatch) {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { app } },
    spec: { nodeName: 'n1', containers: [{ name: 'main', image: 'example:1', command: ['sleep', 'infinity'] }] },
  };
}

function send(message: SandboxMessage): void {
  process.send?.(message);
}

// Real ones have network namespaces and processes; simulated ones cost so little that there can be thousands.
const isReal = process.argv[2] === 'real';
const cluster = await startCluster(isReal ? { nodes: 1, isolation: 'namespaces' } : { nodes: 2, simulated: true });
allowEverything(cluster.store);
process.on('message', (batch: PodBatch) => {
  void createPods(cluster.store, batch).then(() => send({ ready: batch.prefix }));
});
// The benchmark is over, or dead.
process.on('disconnect', () => process.exit());
// Ctrl-C reaches every process of the terminal; the one that measures decides.
process.on('SIGINT', () => {});
send({ url: cluster.url, kubeconfig: cluster.kubeconfig });
