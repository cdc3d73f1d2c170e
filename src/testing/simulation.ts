import { parseDuration } from '../stats/duration.js';
import { aRun, START } from './builders.js';
import type { Happening, Scenario } from './scenario.js';
import { type AgentSetting, SimulatedAgents } from './simulated-agents.js';
import { InvariantBroken, SimulatedCluster, type SimulatedPod } from './simulated-cluster.js';
import { SimulatedController } from './simulated-controller.js';
import { meddle } from './simulated-field-steps.js';
import { FROZEN } from './simulated-fields.js';
import { type Core, Crash, type Setting } from './simulated-process.js';
import { SLOW_MILLISECONDS, TroubledCalls } from './troubled-calls.js';

/** How a simulation ended. */
export interface Ending {
  cluster: SimulatedCluster;
  /** How many calls to the API server were made. */
  calls: number;
  /** How long the run took, in milliseconds. */
  took: number;
}

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

/** One simulation. */
class Simulation {
  readonly cluster: SimulatedCluster;
  readonly calls: TroubledCalls;
  readonly agents: SimulatedAgents;
  readonly #happenings: Happening[];
  #controller: SimulatedController;
  #awaySince = 0;
  #awayUntil = 0;
  #steps = 0;
  #looks = 0;
  #finishedAt: number | undefined;

  constructor(
    readonly scenario: Scenario,
    readonly core: Core,
  ) {
    const run = aRun({ template: scenario.template, spec: scenario.seed === undefined ? {} : { seed: scenario.seed } });
    const facts = Object.entries(scenario.facts);
    const oneShot = Object.fromEntries(facts.map(([step, each]) => [step, each.oneShot]));
    const byAgent = Object.fromEntries(facts.map(([step, { by }]) => [step, by === 'Agent']));
    this.cluster = new SimulatedCluster(run, scenario.pods, oneShot, byAgent, scenario.replacement, START);
    for (const pod of scenario.pods) this.cluster.fields.meddle(pod.uid, fieldOf(pod));
    this.cluster.stubbornUntil = START + scenario.stubborn;
    this.cluster.room = scenario.room;
    this.calls = new TroubledCalls(new Map(scenario.troubles.map(({ call, kind }) => [call, kind])), this.cluster);
    const setting: AgentSetting = {
      cluster: this.cluster,
      core,
      calls: this.calls,
      oneShot,
      outageSince: () => (this.calls.isOut ? this.calls.outageSince : Infinity),
      controllerLostSince: () => (this.#isAway ? this.#awaySince : Infinity),
    };
    this.agents = new SimulatedAgents(setting, [...new Set(scenario.pods.map(({ node }) => node))]);
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
      agents: this.agents,
      refusals: scenario.refusals ?? {},
      start: START,
      podsDelay: scenario.podsDelay,
      lag: () => {
        this.#looks += 1;
        return scenario.lags[this.#looks % scenario.lags.length] ?? 0;
      },
    };
    const controller = new SimulatedController(setting);
    const tell = cluster.onChange;
    cluster.onChange = (key) => {
      tell(key);
      if (key.startsWith('injection/')) this.agents.wake(key.slice('injection/'.length));
      else if (key === 'pods') this.agents.wakeAll();
    };
    return controller;
  }

  get #isAway(): boolean {
    return this.cluster.now < this.#awayUntil;
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
    const runnable = [...(this.#isAway ? [] : this.#controller.runnable()), ...this.agents.runnable()];
    if (runnable.length > 0) {
      const { order } = this.scenario;
      const choice = (order[this.#steps % Math.max(1, order.length)] ?? 0) % runnable.length;
      this.#step(runnable[choice] ?? 'run');
      return true;
    }
    const controller = Math.max(this.#controller.nextDue, this.#awayUntil);
    const next = Math.min(this.#nextHappening(), controller, this.agents.nextDue, this.cluster.nextPodEvent);
    if (next === Infinity || next > this.cluster.now + QUIET_MILLISECONDS) return false;
    this.cluster.now = Math.max(next, this.cluster.now);
    return true;
  }

  #step(key: string): void {
    const [kind, node = ''] = key.split('/');
    try {
      if (kind === 'agent') this.agents.step(key);
      else this.#controller.step(key);
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
      if (kind === 'agent') this.agents.crash(node, 0);
      else this.#crash();
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
    else if (kind === 'away') this.#leave(index);
    else if (kind === 'outage') this.calls.outage(OUTAGE_MILLISECONDS * (1 + (index % 6)));
    else if (kind === 'agentDies' || kind === 'reboot') this.#doToNode(kind, pod?.node ?? '', index);
    else if (kind === 'flush') this.#interfere(pod, index);
    else if (!(kind in podChanges)) this.#doToRun(kind, index);
    else if (pod) this.#doToPod(pod, kind);
  }

  /** Somebody else removes what agents have put on a pod, and sets what faults of the API server set. */
  #interfere(pod: SimulatedPod | undefined, index: number): void {
    this.cluster.loseFaults(({ uid }) => uid === pod?.uid);
    if (pod) meddle(this.cluster, pod.uid, index);
  }

  /** The controller ends, and no other one begins for a while. */
  #leave(index: number): void {
    const { now } = this.cluster;
    if (!this.#isAway) this.#awaySince = now;
    this.#crash();
    this.#awayUntil = now + OUTAGE_MILLISECONDS * (1 + (index % 4));
  }

  #doToNode(kind: 'agentDies' | 'reboot', node: string, index: number): void {
    if (kind === 'agentDies') this.agents.crash(node, 10_000 * (index % 15));
    else this.agents.reboot(node, index % 3 === 0);
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
    const outages =
      happenings.filter(({ kind }) => kind === 'outage' || kind === 'away').length * 6 * OUTAGE_MILLISECONDS;
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
    const [other] = this.cluster.fields.notRestored();
    if (other) throw new InvariantBroken(`S5b what was there before is restored exactly: not on ${other}`);
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

/** What is there before: nothing mostly, and sometimes just what a fault would set. */
function fieldOf({ idle, running }: SimulatedPod): string | undefined {
  if (idle) return FROZEN;
  return running ? undefined : 'other';
}
