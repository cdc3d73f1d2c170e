import type { ExperimentRun } from '../api/experiment-run.js';
import type { Injection } from '../api/injection.js';
import type { SimulatedCluster, SimulatedPod } from './simulated-cluster.js';

/** What a process has seen of the cluster. Each part may lag behind the others. */
export class SimulatedCaches {
  run: ExperimentRun | undefined;
  injections = new Map<string, Injection>();
  pods: SimulatedPod[] = [];
  halts: string[] = [];

  constructor(readonly cluster: SimulatedCluster) {
    this.read(0);
  }

  /** Brings the parts up to date but for those that lag: 1 the run, 2 injections, 4 pods, 8 halts. */
  read(lag: number): void {
    const { cluster } = this;
    if (!(lag & 1)) this.run = cluster.runExists ? cluster.run : undefined;
    if (!(lag & 2)) this.injections = new Map(cluster.injections);
    if (!(lag & 4)) this.pods = [...cluster.pods.values()];
    if (!(lag & 8)) this.halts = cluster.halts;
  }
}
