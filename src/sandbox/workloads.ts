import { runController } from './controllers/controller.js';
import { createEventRecorder } from './controllers/events.js';
import { startControllers } from './controllers/index.js';
import { startKubelets } from './kubelet/kubelet.js';
import { type NodeRegistration, registerNodes } from './kubelet/node-objects.js';
import { startSimulatedKubelets } from './kubelet/simulated-kubelets.js';
import { startWatchdog } from './kubelet/watchdog.js';
import { claimAddressBlock, createAddressPool } from './network/addresses.js';
import { clusterAddressController } from './network/cluster-addresses.js';
import { startServiceProxy } from './network/service-proxy.js';
import type { LogSource } from './server/log-source.js';
import type { Store } from './store/types.js';

/** What runs in a cluster besides its API server. */
export interface WorkloadOptions {
  /** How many nodes, named `n1`, `n2`, … */
  nodes: number;
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
  /** Kills every process and frees every port; resolves when they are gone. */
  stop(): Promise<void>;
}

/** Starts controllers, scheduler, nodes and the service network over a store. */
export async function startWorkloads(store: Store, options: WorkloadOptions): Promise<Workloads> {
  const { nodes, simulated = false, backoffFactor = 1, workingDirectory = process.cwd() } = options;
  const block = await claimAddressBlock();
  const pool = simulated ? createAddressPool('10.255', 0, 256) : block.nodes;
  const registrations: NodeRegistration[] = Array.from({ length: nodes }, (_, index) => ({
    name: `n${index + 1}`,
    address: pool.allocate(),
    simulated,
  }));
  const hostIPs = new Map(registrations.map(({ name, address }) => [name, address]));
  const stops: (() => void | Promise<void>)[] = [registerNodes(store, registrations)];
  let logs: LogSource = { read: () => undefined };
  let stopKubelets: () => void | Promise<void>;
  if (simulated) {
    stopKubelets = startSimulatedKubelets(store, createAddressPool('10', 0, 200), hostIPs);
  } else {
    const watchdog = startWatchdog();
    const recorder = createEventRecorder(store, 'kubelet');
    const kubelets = startKubelets(
      { store, recorder, addresses: block.pods, watchdog, backoffFactor, workingDirectory },
      hostIPs,
    );
    logs = kubelets.logs;
    stopKubelets = async () => {
      await kubelets.stop();
      await watchdog.stop();
    };
  }
  stops.push(
    startControllers(store),
    runController(store, clusterAddressController(store, block.services)),
    simulated ? () => undefined : startServiceProxy(store, createEventRecorder(store, 'kube-proxy')),
    stopKubelets,
    block.release,
  );
  return {
    logs,
    async stop() {
      await Promise.all(stops.map((stop) => stop()));
    },
  };
}
