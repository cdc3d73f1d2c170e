import { runController } from './controllers/controller.js';
import { createEventRecorder } from './controllers/events.js';
import { startControllers } from './controllers/index.js';
import type { Isolation, IsolationWish } from './isolation/isolation.js';
import { openIsolation } from './isolation/open.js';
import { startKubelets } from './kubelet/kubelet.js';
import { CONTROL_PLANE_NODE, type NodeRegistration, registerNodes } from './kubelet/node-objects.js';
import { startSimulatedKubelets } from './kubelet/simulated-kubelets.js';
import { createAddressPool } from './network/addresses.js';
import { clusterAddressController } from './network/cluster-addresses.js';
import { startServiceProxy } from './network/service-proxy.js';
import type { LogSource } from './server/log-source.js';
import type { Store } from './store/types.js';

/** What runs in a cluster besides its API server. */
export interface WorkloadOptions {
  /** How many nodes, named `n1`, `n2`, … */
  nodes: number;
  /** Adds a node `control-plane`, labelled and tainted as such. */
  controlPlane?: boolean;
  /** How pods are kept apart; `auto` by default. */
  isolation?: IsolationWish;
  /** Pods become Ready without a process; for tests of scale. */
  simulated?: boolean;
  /** What the kubelets' restart back-off (10 s doubling to 5 min) is multiplied with; 1 by default. */
  backoffFactor?: number;
  /** Where containers without a `workingDir` run; the current directory by default. */
  workingDirectory?: string;
}

/** The running machinery behind an API server. */
export interface Workloads {
  logs: LogSource;
  isolation: Pick<Isolation, 'mode' | 'reason' | 'gateway' | 'directory'>;
  /** Kills every process and frees every port; resolves when they are gone. */
  stop(): Promise<void>;
}

function hintOf(reason: string): string {
  return `the pods of this sandbox have no network namespaces: ${reason}`;
}

function nodeNames({ nodes, controlPlane }: WorkloadOptions): string[] {
  const names = Array.from({ length: nodes }, (_, index) => `n${index + 1}`);
  return controlPlane ? [...names, CONTROL_PLANE_NODE] : names;
}

/** Starts controllers, scheduler, nodes and the service network over a store. */
export async function startWorkloads(store: Store, options: WorkloadOptions): Promise<Workloads> {
  const { isolation = 'auto', simulated = false, backoffFactor = 1, workingDirectory = process.cwd() } = options;
  const kept = await openIsolation(simulated ? 'loopback' : isolation);
  const pool = simulated ? createAddressPool('10.255', 0, 256) : kept.nodes;
  const registrations: NodeRegistration[] = nodeNames(options).map((name) => ({
    name,
    address: pool.allocate(),
    simulated,
    agentHint: simulated || kept.reason === undefined ? undefined : hintOf(kept.reason),
  }));
  const hostIPs = new Map(registrations.map(({ name, address }) => [name, address]));
  const stops: (() => void | Promise<void>)[] = [registerNodes(store, registrations)];
  let logs: LogSource = { read: () => undefined };
  let stopKubelets: () => void | Promise<void>;
  if (simulated) {
    stopKubelets = startSimulatedKubelets(store, createAddressPool('10', 0, 200, '.1'), hostIPs);
  } else {
    const recorder = createEventRecorder(store, 'kubelet');
    const kubelets = startKubelets({ store, recorder, isolation: kept, backoffFactor, workingDirectory }, hostIPs);
    logs = kubelets.logs;
    stopKubelets = kubelets.stop;
  }
  stops.push(
    startControllers(store),
    runController(store, clusterAddressController(store, kept.services)),
    simulated ? () => undefined : startServiceProxy(store, createEventRecorder(store, 'kube-proxy'), kept.proxyAddress),
    stopKubelets,
  );
  return {
    logs,
    isolation: kept,
    async stop() {
      await Promise.all(stops.map((stop) => stop()));
      await kept.release();
    },
  };
}
