import type { IsolationMode } from './isolation/isolation.js';
import { createKnobs, type Knobs } from './knobs.js';
import { startGateway } from './network/gateway.js';
import { startApiServer } from './server/server.js';
import { createStore } from './store/store.js';
import type { Store } from './store/types.js';
import { startWorkloads, type WorkloadOptions } from './workloads.js';

/** The name of context, cluster and user in a sandbox's kubeconfig. */
export const sandboxContext = 'squall-sandbox';

export interface ClusterOptions extends WorkloadOptions {
  /** The port of the API server; any free one when absent. */
  port?: number;
  /** Faults of the API server, for tests. */
  knobs?: Knobs;
  /** Gives up the start when it fires. A cluster that has started is ended with `stop`. */
  signal?: AbortSignal;
}

/** A running embedded cluster. */
export interface Cluster {
  /** The API server, such as `http://127.0.0.1:41234`. */
  url: string;
  /** A kubeconfig for it, as YAML. */
  kubeconfig: string;
  store: Store;
  knobs: Knobs;
  /** How pods are kept apart. */
  isolation: IsolationMode;
  /** Why pods have no network namespaces, in words for people; undefined when they have. */
  loopbackReason: string | undefined;
  /** A folder that vanishes with the cluster, also when its process is killed. */
  directory: string;
  /** Kills every process and frees every port and address; resolves when they are gone. May be called again. */
  stop(): Promise<void>;
}

/**
 * Starts an embedded cluster on loopback: API server, controllers, scheduler, and nodes `n1`, `n2`, … whose pods are real
 * processes. Rejects when the port is taken, where 127.0.0.0/8 does not work (only Linux has it), when pods can't be kept
 * apart as is wished, and with the signal's reason; nothing is left running then.
 */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { port, knobs = createKnobs(), signal, ...workloadOptions } = options;
  signal?.throwIfAborted();
  const store = createStore({ now: () => knobs.now() });
  const stops: (() => Promise<void>)[] = [];
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= Promise.all(stops.map((one) => one())).then(() => undefined);
    return stopped;
  };
  try {
    const workloads = await startWorkloads(store, workloadOptions);
    stops.push(workloads.stop);
    const server = await startApiServer({ store, port, knobs, logs: workloads.logs });
    stops.push(server.close);
    signal?.throwIfAborted();
    const { mode, reason, gateway, directory } = workloads.isolation;
    if (gateway !== undefined) {
      stops.push(await startGateway(gateway, Number(new URL(server.url).port)));
    }
    const facts = { isolation: mode, loopbackReason: reason, directory };
    return { url: server.url, kubeconfig: kubeconfigFor(server.url), store, knobs, ...facts, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** client-node refuses plain HTTP unless TLS verification is off; kubectl does not mind either way. */
function kubeconfigFor(url: string): string {
  return `apiVersion: v1
kind: Config
clusters:
  - name: ${sandboxContext}
    cluster: {server: "${url}", insecure-skip-tls-verify: true}
users:
  - name: ${sandboxContext}
    user: {}
contexts:
  - name: ${sandboxContext}
    context: {cluster: ${sandboxContext}, user: ${sandboxContext}, namespace: default}
current-context: ${sandboxContext}
`;
}
