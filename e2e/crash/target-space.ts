import type { KubeObject } from '../../src/kubernetes/resource.js';
import type { SpaceState } from './spaces.js';
import type { Station } from './station.js';

/** A pod's network namespace, which stays for as long as this is open. */
export class TargetSpace {
  private constructor(
    readonly name: string,
    readonly address: string,
    readonly uid: string,
    readonly containerID: string,
    private readonly station: Station,
  ) {}

  /** Opens that of a pod that runs. */
  static async open(pod: KubeObject, station: Station): Promise<TargetSpace> {
    const uid = pod.metadata.uid ?? '';
    const { podIP, containerStatuses } = pod.status;
    const name = await station.ask('open', uid);
    return new TargetSpace(name, podIP, uid, containerStatuses[0].containerID, station);
  }

  close(): Promise<void> {
    return this.station.ask('close', this.uid);
  }

  /** Runs a program in it. */
  run(program: string, ...args: string[]): Promise<string> {
    return this.station.ask('run', this.uid, program, ...args);
  }

  /** What there is in it now. */
  state(): Promise<SpaceState> {
    return this.station.ask('state', this.uid, this.name);
  }

  /** Whether any process of the pod is stopped. */
  isPaused(): Promise<boolean> {
    return this.station.ask('isPaused', this.uid);
  }
}
