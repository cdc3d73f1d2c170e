import type { ExperimentRun } from '../api/experiment-run.js';
import type { Json } from '../kubernetes/resource.js';
import {
  type ControllerBundle,
  type ControllerProcess,
  startControllerProcess,
  type TestCluster,
} from './controllers.js';
import { type CrashProxy, type ProxiedRequest, startCrashProxy } from './crash-proxy.js';
import { until } from './scripted-server.js';

/** `before`: the write never arrives. `answered`: it is done, and the answer is lost. */
export const moments = ['before', 'answered'] as const;
/** When a controller dies. */
export type Moment = (typeof moments)[number];

/** A controller process behind a proxy of its own. */
export interface Candidate {
  proxy: CrashProxy;
  process: ControllerProcess;
}

/** At which write a controller dies. */
export interface Death {
  moment: Moment;
  /** The how manyth, from 1. */
  nth: number;
  /** Which writes count. */
  of(request: ProxiedRequest): boolean;
}

/** A cluster in which one leader after the other is killed; the one that took over is the next to die. */
export class CrashLane {
  readonly #candidates: Candidate[] = [];

  constructor(
    readonly cluster: TestCluster,
    readonly bundle: ControllerBundle,
  ) {}

  /** Starts a controller that leads as soon as nobody else does. */
  async candidate(): Promise<Candidate> {
    const proxy = await startCrashProxy(this.cluster.cluster.url);
    const made = { proxy, process: startControllerProcess(this.bundle, proxy.url) };
    this.#candidates.push(made);
    return made;
  }

  async leads({ process }: Candidate): Promise<void> {
    await until(() => process.log().includes('"Leading"'), `${process.identity} leads: ${process.log()}`, 30_000);
  }

  /** Waits until a controller that does not lead could take over. */
  async standsBy({ proxy }: Candidate): Promise<void> {
    await until(() => proxy.requests.length > 0, 'the standby to look at the Lease', 30_000);
  }

  /** Runs an experiment while its controller dies; returns the run unless there were fewer writes than that. */
  async play(leader: Candidate, name: string, template: Json, death: Death): Promise<ExperimentRun | undefined> {
    let writes = 0;
    let died = false;
    leader.proxy.intercept = {
      [death.moment]: (request: ProxiedRequest) => {
        if (died || !death.of(request)) return died;
        writes += 1;
        if (writes < death.nth) return false;
        died = true;
        leader.process.kill();
        this.#expireLease();
        return true;
      },
    };
    await this.cluster.createRun(name, template);
    const run = await this.cluster.finished(name, { within: 30_000 });
    leader.proxy.intercept = {};
    if (died) await leader.process.ended;
    return died ? run : undefined;
  }

  async stop(): Promise<void> {
    for (const { process, proxy } of this.#candidates) {
      process.kill();
      await process.ended;
      await proxy.close();
    }
    await this.cluster.stop();
  }

  /** Nobody has to wait for the Lease of a process that is known to be dead. */
  #expireLease(): void {
    this.cluster.cluster.store.delete('leases.coordination.k8s.io', 'squall-system', 'squall-controller', {});
  }
}
