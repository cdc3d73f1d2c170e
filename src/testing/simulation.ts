import type { ExperimentSpec } from '../api/experiment.js';
import type { StepFacts } from '../domain/observed.js';
import { parseDuration } from '../stats/duration.js';
import { aRun, START } from './builders.js';
import {
  ApiTrouble,
  InvariantBroken,
  type Replacement,
  SimulatedCluster,
  type SimulatedPod,
} from './simulated-cluster.js';
import { SimulatedController } from './simulated-controller.js';
import type { ProbeProcess } from './simulated-probes.js';
import { type Calls, type Core, Crash, type Setting } from './simulated-process.js';

/** Something that happens at a time, in milliseconds since the start; `index` picks a pod or an injection. */
export interface Happening {
  at: number;
  kind:
    | 'deletePod'
    | 'unready'
    | 'ready'
    | 'protect'
    | 'complete'
    | 'abort'
    | 'halt'
    | 'resume'
    | 'deleteRun'
    | 'deleteInjection'
    | 'crash'
    | 'outage';
  index: number;
}

/** Something that goes wrong with the n-th call to the API server. */
export interface Trouble {
  call: number;
  kind: 'crashBefore' | 'crashAfter' | 'unavailable' | 'noAnswer' | 'refused' | 'slow';
}

/** All of a simulation. The same scenario always goes the same way. */
export interface Scenario {
  template: ExperimentSpec;
  facts: Record<string, StepFacts>;
  seed?: number;
  pods: SimulatedPod[];
  replacement: Replacement;
  probes: Record<string, ProbeProcess>;
  happenings: Happening[];
  troubles: Trouble[];
  /** Which of the objects that can go on does, again and again from the front. */
  order: number[];
  /** Which caches lag at each look, again and again from the front. */
  lags: number[];
  podsDelay: number;
  /** Until when every attempt to take a fault back is refused, in milliseconds since the start. */
  stubborn: number;
}

/** How a simulation ended. */
export interface Ending {
  cluster: SimulatedCluster;
  /** How many calls to the API server were made. */
  calls: number;
  /** How long the run took, in milliseconds. */
  took: number;
}

const CALL_MILLISECONDS = 5;
const SLOW_MILLISECONDS = 40_000;
const OUTAGE_MILLISECONDS = 15_000;
const MAX_STEPS = 30_000;
/** What a run may take beyond all that it is allowed to wait for. */
const SLACK_MILLISECONDS = 60_000;
/** After this long without anything to do, nothing more is expected. */
const QUIET_MILLISECONDS = 600_000;

const podChanges: Partial<Record<Happening['kind'], Partial<SimulatedPod>>> = {
  deletePod: {},
  unready: { ready: false },
  ready: { ready: true },
  protect: { protected: true },
  complete: { completed: true, ready: false },
};

class TroubledCalls implements Calls {
  made = 0;
  outageUntil = 0;

  constructor(
    readonly troubles: ReadonlyMap<number, Trouble['kind']>,
    readonly cluster: SimulatedCluster,
  ) {}

  call<T>(kind: 'read' | 'write' | 'effect', perform: () => T): T {
    const trouble = this.troubles.get(this.made);
    this.made += 1;
    this.cluster.now += trouble === 'slow' ? SLOW_MILLISECONDS : CALL_MILLISECONDS;
    if (trouble === 'crashBefore') throw new Crash();
    if (this.cluster.now < this.outageUntil || trouble === 'unavailable') throw new ApiTrouble('unavailable');
    if (trouble === 'refused') throw new ApiTrouble(kind === 'effect' ? 'refused' : 'unavailable');
    const result = perform();
    if (trouble === 'crashAfter') throw new Crash();
    if (trouble === 'noAnswer') throw new ApiTrouble('noAnswer');
    return result;
  }
}

/** One simulation. */
class Simulation {
  readonly cluster: SimulatedCluster;
  readonly calls: TroubledCalls;
  readonly #happenings: Happening[];
  #controller: SimulatedController;
  #steps = 0;
  #looks = 0;
  #finishedAt: number | undefined;

  constructor(
    readonly scenario: Scenario,
    readonly core: Core,
  ) {
    const run = aRun({ template: scenario.template, spec: scenario.seed === undefined ? {} : { seed: scenario.seed } });
    const oneShot = Object.fromEntries(Object.entries(scenario.facts).map(([step, facts]) => [step, facts.oneShot]));
    this.cluster = new SimulatedCluster(run, scenario.pods, oneShot, scenario.replacement, START);
    this.cluster.stubbornUntil = START + scenario.stubborn;
    this.calls = new TroubledCalls(new Map(scenario.troubles.map(({ call, kind }) => [call, kind])), this.cluster);
    this.#happenings = [...scenario.happenings].sort((a, b) => a.at - b.at);
    this.#controller = this.#start();
  }

  #start(): SimulatedController {
    const { scenario, cluster, calls, core } = this;
    const setting: Setting = {
      cluster,
      core,
      calls,
      facts: scenario.facts,
      probes: scenario.probes,
      start: START,
      podsDelay: scenario.podsDelay,
      lag: () => {
        this.#looks += 1;
        return scenario.lags[this.#looks % scenario.lags.length] ?? 0;
      },
    };
    return new SimulatedController(setting);
  }

  run(): Ending {
    while (this.#goOn()) {
      this.#steps += 1;
      if (this.#steps > MAX_STEPS) throw new InvariantBroken(`it never comes to rest: ${this.#where()}`);
    }
    this.#checkEnd();
    return { cluster: this.cluster, calls: this.calls.made, took: (this.#finishedAt ?? START) - START };
  }

  /** Does the next thing; returns whether there was one. */
  #goOn(): boolean {
    this.#happen();
    this.cluster.tick();
    this.#sample();
    const runnable = this.#controller.runnable();
    if (runnable.length > 0) {
      const { order } = this.scenario;
      const choice = (order[this.#steps % Math.max(1, order.length)] ?? 0) % runnable.length;
      this.#step(runnable[choice] ?? 'run');
      return true;
    }
    const next = Math.min(this.#nextHappening(), this.#controller.nextDue, this.cluster.nextPodEvent);
    if (next === Infinity || next > this.cluster.now + QUIET_MILLISECONDS) return false;
    this.cluster.now = Math.max(next, this.cluster.now);
    return true;
  }

  #step(key: string): void {
    try {
      this.#controller.step(key);
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
      this.#crash();
    }
    const { cluster } = this;
    if (cluster.run.status?.finishTime && this.#finishedAt === undefined) this.#finishedAt = cluster.now;
    if (!this.#finishedAt && cluster.runExists && cluster.now - START > this.#allowed()) {
      throw new InvariantBroken(`the run does not end: ${this.#where()}`);
    }
  }

  #crash(): void {
    for (const { status } of this.cluster.injections.values()) {
      for (const { uid, state } of status?.targets ?? []) if (state === 'Applying') this.cluster.uncertain.add(uid);
    }
    this.#controller = this.#start();
  }

  #sample(): void {
    const ready = [...this.cluster.pods.values()].filter((pod) => pod.ready && !pod.terminating).length;
    this.#controller.prober.advance(this.cluster.now, ready);
  }

  #nextHappening(): number {
    const [next] = this.#happenings;
    return next ? START + next.at : Infinity;
  }

  #happen(): void {
    while (this.#nextHappening() <= this.cluster.now) {
      const happening = this.#happenings.shift();
      if (happening) this.#do(happening);
    }
  }

  #do({ kind, index }: Happening): void {
    const { cluster } = this;
    const pods = [...cluster.pods.values()].filter(({ createdAt }) => createdAt <= cluster.now);
    const pod = pods[index % Math.max(1, pods.length)];
    if (kind === 'crash') this.#crash();
    else if (kind === 'outage') this.calls.outageUntil = cluster.now + OUTAGE_MILLISECONDS * (1 + (index % 6));
    else if (!(kind in podChanges)) this.#doToRun(kind, index);
    else if (pod) this.#doToPod(pod, kind);
  }

  #doToPod(pod: SimulatedPod, kind: Happening['kind']): void {
    if (kind === 'deletePod') this.cluster.deletePod(pod.uid, pod.graceSeconds);
    else if (kind !== 'ready' || !pod.terminating) this.cluster.changePod(pod.uid, podChanges[kind] ?? {});
  }

  #doToRun(kind: Happening['kind'], index: number): void {
    const { cluster } = this;
    const { run } = cluster;
    switch (kind) {
      case 'halt':
      case 'resume':
        cluster.halts = kind === 'halt' ? [`policy squall-halt: drill ${index % 3}`] : [];
        cluster.onChange('halts');
        break;
      case 'deleteInjection':
        this.#loseInjection(index);
        break;
      case 'deleteRun':
        cluster.deleteRun();
        break;
      default:
        if (cluster.runExists && !run.spec.abort)
          cluster.changeRun({ spec: { ...run.spec, abort: { reason: 'enough' } } });
    }
  }

  #loseInjection(index: number): void {
    const all = [...this.cluster.injections.values()];
    const injection = all[index % Math.max(1, all.length)];
    if (injection) this.cluster.deleteInjection(injection.metadata.name, injection.metadata.uid, false);
  }

  /** How long the run may take: all that it is allowed to wait for, and what was done to it. */
  #allowed(): number {
    const { template, probes, troubles, happenings } = this.scenario;
    const sampling = Object.values(probes).map(({ interval }) => interval * 10 + 2_000);
    const outages = happenings.filter(({ kind }) => kind === 'outage').length * 6 * OUTAGE_MILLISECONDS;
    const slow = troubles.filter(({ kind }) => kind === 'slow').length * SLOW_MILLISECONDS;
    const stages = parseDuration(template.timeout) + 60_000 + parseDuration(template.recovery.within);
    const patience = 3 * Math.max(0, ...sampling) + SLACK_MILLISECONDS + troubles.length * 1_000;
    return stages + patience + outages + slow;
  }

  #where(): string {
    const { stage, message, findings } = this.cluster.run.status ?? {};
    return JSON.stringify({ stage, message, findings, injections: [...this.cluster.injections.values()] });
  }

  /** When everything is quiet, the run is over, nothing of it is left, and it does not hold anything back. */
  #checkEnd(): void {
    const { run, runExists, injections, active, tampered } = this.cluster;
    if (runExists && !run.status?.finishTime) throw new InvariantBroken(`the run is stuck: ${this.#where()}`);
    if (runExists && run.metadata.deletionTimestamp)
      throw new InvariantBroken('S2g a deleted run is let go of: it is not');
    if (runExists && run.metadata.finalizers?.length)
      throw new InvariantBroken('S2h the finalizer is taken off: it is not');
    if (injections.size > 0) throw new InvariantBroken(`S2i injections are cleared away: ${this.#where()}`);
    // What hung on an injection that someone deleted is beyond reach, and the run has said so.
    if (active.size > 0 && !tampered)
      throw new InvariantBroken(`S5a everything is restored in the end: ${active.size} faults are on`);
  }
}

/**
 * Plays a scenario to its end.
 *
 * @throws InvariantBroken saying what did not hold
 */
export function simulate(scenario: Scenario, core: Core): Ending {
  return new Simulation(scenario, core).run();
}
