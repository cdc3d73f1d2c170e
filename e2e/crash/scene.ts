import { isDeepStrictEqual } from 'node:util';
import type { KubeObject } from '../../src/kubernetes/resource.js';
import { eventually } from '../processes.js';
import type { CrashFault } from './faults.js';
import type { Reading } from './meter.js';
import { Monitor } from './monitor.js';
import type { Site } from './site.js';
import type { SpaceState } from './spaces.js';
import type { Station } from './station.js';
import { TargetSpace } from './target-space.js';

/** A fault that vanished is noticed within 5 s; the rest is for a busy machine. */
const LIE_MILLISECONDS = 9_000;
const CLEAR_MILLISECONDS = 30_000;
const ON_MILLISECONDS = 90_000;

/** What became of a scene. */
export interface SceneResult {
  /** What was killed, or else went wrong. */
  victim: string;
  fault: string;
  /** Where it was killed, and what else tells it from others. */
  what: string;
  verdict: string;
  /** What should not have been, in sentences. */
  problems: string[];
  /** How long the effect lasted after the last of ours that could keep it on was gone, in milliseconds. */
  lastedMilliseconds?: number;
}

/** One target that goes through one run with one fault. */
export class Scene {
  readonly problems: string[] = [];
  /** See {@link SceneResult}. */
  lastedMilliseconds: number | undefined;
  pod!: KubeObject;
  space!: TargetSpace;
  monitor!: Monitor;
  #before!: SpaceState;
  readonly #ends: (() => unknown)[] = [];
  readonly name: string;

  constructor(
    readonly site: Site,
    readonly station: Station,
    readonly node: string,
    readonly fault: CrashFault,
    /** Whether the target belongs to a StatefulSet, which replaces it under its name. */
    readonly isReplaced = false,
  ) {
    this.name = site.newName(fault.name);
  }

  /** Makes the target. */
  async prepare(): Promise<void> {
    this.pod = await (this.isReplaced
      ? this.site.startStatefulSet(this.name, this.node)
      : this.site.startPod(this.name, this.node));
    this.space = await TargetSpace.open(this.pod, this.station);
    await eventually(
      async () => (await this.read()).received === 20,
      () => `${this.name} does not answer`,
    );
    this.#before = await this.space.state();
  }

  /** What comes back of packets to the target. */
  read(): Promise<Reading> {
    return this.station.ask('read', this.space.address, this.site.peer);
  }

  /** Whether real traffic shows the effect now. */
  isHit(): Promise<boolean> {
    return this.fault.isHit(this.station, this.space.address, this.site.peer);
  }

  /** Begins the run, and to look at its target. */
  async begin(duration = '4s', step = {}): Promise<void> {
    await this.site.createRun(this.name, this.name, this.fault, duration, step);
    const { address, uid } = this.space;
    this.monitor = new Monitor(this.site, this.station, this.fault, { run: this.name, address, uid });
  }

  /** Waits until the effect is seen and said. */
  async isOn(): Promise<void> {
    await eventually(
      () => this.monitor.looks.some(({ isHit, isClaimed }) => isHit && isClaimed),
      () => `${this.name} never took effect: ${this.told()}`,
      ON_MILLISECONDS,
    );
  }

  get isFinished(): boolean {
    return this.site.run(this.name)?.status?.finishTime !== undefined;
  }

  /** Waits until the run is over; that it is not is a problem. */
  async finished(withinMilliseconds = 120_000): Promise<void> {
    await this.expect(
      () => this.isFinished,
      () => `the run did not end: ${this.told()}`,
      withinMilliseconds,
    );
  }

  get verdict(): string {
    const { verdict, reason } = this.site.run(this.name)?.status ?? {};
    return `${verdict}/${reason}`;
  }

  /** What the API server holds about it, for messages. */
  told(): string {
    const { stage, message, reason } = this.site.run(this.name)?.status ?? {};
    const injections = this.site.injectionsOf(this.name).map(({ spec, status }) => ({ state: spec.state, status }));
    return JSON.stringify({ stage, reason, message, injections });
  }

  /** Notes a problem unless a condition comes true in time. */
  async expect(condition: () => boolean | Promise<boolean>, problem: () => string, within: number): Promise<boolean> {
    try {
      await eventually(condition, problem, within);
      return true;
    } catch (error) {
      this.problems.push((error as Error).message);
      return false;
    }
  }

  /** Has something done when the scene is over. */
  onEnd(end: () => unknown): void {
    this.#ends.push(end);
  }

  /** Notes a problem. */
  refuse(isBad: boolean, problem: string): void {
    if (isBad) this.problems.push(problem);
  }

  /** Checks that a pod is as it was before, at once: the run says that it is. */
  async isAsBefore(withinMilliseconds = 0): Promise<void> {
    let now = await this.space.state();
    await this.expect(
      async () => {
        now = await this.space.state();
        return isDeepStrictEqual(this.#comparable(now), this.#comparable(this.#before));
      },
      () => `left in the pod: ${JSON.stringify({ now, before: this.#before })}`,
      withinMilliseconds,
    );
    this.refuse(await this.space.isPaused(), 'a process is still stopped');
    this.refuse(await this.isHit(), 'the effect is still there');
  }

  /** A container that was killed may be started only later. */
  #comparable(state: SpaceState): unknown {
    return this.fault.oneShot ? { ...state, processes: [] } : state;
  }

  /** Checks that nothing of the run is left where we keep things. */
  async isForgotten(): Promise<void> {
    await this.expect(
      () => this.site.injectionsOf(this.name).length === 0,
      () => `an Injection is left: ${this.told()}`,
      CLEAR_MILLISECONDS,
    );
    await this.expect(
      () => this.site.recordsOf(this.node) === 0,
      () => `an undo record is left on ${this.node}`,
      CLEAR_MILLISECONDS,
    );
  }

  /** Checks that nobody said what was not so, while an agent was there to say it. */
  isTrue(until?: number): void {
    const lie = this.monitor.longestLie(until);
    if (!this.fault.oneShot) {
      this.refuse(lie > LIE_MILLISECONDS, `a status claimed a fault for ${Math.round(lie)} ms that was not there`);
      // A single look may have come too late to see what it saw claimed.
      const { length } = this.monitor.looks.filter(({ isClaimed }) => isClaimed);
      const wasOn = length < 2 || this.monitor.looks.some(({ isHit }) => isHit);
      this.refuse(this.verdict.startsWith('Passed') && !wasOn, 'it passed, and the fault was never there');
    }
  }

  /** Checks that what happens once happened once. */
  async wasHitOnce(): Promise<void> {
    if (!this.fault.oneShot) return;
    let seen: unknown;
    const isOnce = async () => {
      const restarts = this.site.pod(this.name)?.status?.containerStatuses?.[0]?.restartCount;
      const { lives } = await this.read();
      seen = { restarts, lives };
      const [wanted, other] = this.fault.name === 'container kill' ? [restarts, lives] : [lives, restarts];
      return wanted === (this.fault.name === 'container kill' ? 1 : 2) && other === (wanted === 1 ? 1 : 0);
    };
    await this.expect(isOnce, () => `not hit exactly once: ${JSON.stringify(seen)}`, 20_000);
  }

  /** Ends everything of it. */
  async end(): Promise<void> {
    await this.monitor?.stop();
    for (const end of this.#ends) await end();
    await this.space?.close();
    await this.site.deleteTarget(this.name);
  }

  /** The result, when it is over. */
  result(victim: string, what: string): SceneResult {
    const { fault, verdict, problems, lastedMilliseconds } = this;
    const lasted = lastedMilliseconds === undefined ? {} : { lastedMilliseconds };
    return { victim, fault: fault.name, what, verdict, problems, ...lasted };
  }
}
