import type { ExperimentRun } from '../api/experiment-run.js';
import type { Json } from '../kubernetes/resource.js';
import {
  type ControllerBundle,
  type ControllerProcess,
  startControllerProcess,
  type TestCluster,
} from './controllers.js';
import { type CrashProxy, isWrite, type ProxiedRequest, startCrashProxy } from './crash-proxy.js';
import { until } from './scripted-server.js';

/** `before`: the write never arrives. `answered`: it is done, and the answer is lost. */
export const moments = ['before', 'answered'] as const;
/** When a controller dies. `late`: the write is under way all the while, and arrives when the run is over. */
export type Moment = (typeof moments)[number] | 'late';

/** At which write a controller dies. */
export interface Death {
  moment: Moment;
  /** The how manyth of its writes, from 1. */
  nth: number;
  /** Which writes count. Default: all that matter to a run. */
  of?(request: ProxiedRequest): boolean;
}

/** What happens to a run beside what its controllers do. */
export interface Course {
  /** Resolves when deaths are due; no write before that counts. Default: at once. */
  from?(): Promise<unknown>;
  /** What somebody else does at that moment. */
  meanwhile?(): Promise<unknown>;
  /** What somebody else does while no controller is there. */
  onDeath?(): Promise<unknown>;
  /** The Lease of the dead has to run out. */
  patient?: boolean;
}

/** What became of a run. */
export interface Outcome {
  /** Undefined: it was deleted. */
  run: ExperimentRun | undefined;
  /** How many controllers have died: fewer than wished when they made fewer writes. */
  died: number;
  /** How many writes were made since deaths were due. */
  writes: number;
}

/** A controller process behind a proxy of its own. */
interface Candidate {
  proxy: CrashProxy;
  process: ControllerProcess;
}

/** A cluster in which one leader after the other is killed; the one that took over is the next to die. */
export class CrashLane {
  readonly #candidates: Candidate[] = [];
  #leader: Candidate | undefined;
  #standby: Promise<Candidate> | undefined;
  readonly #late: (() => Promise<void>)[] = [];

  constructor(
    readonly cluster: TestCluster,
    readonly bundle: ControllerBundle,
  ) {}

  /** Starts a controller that leads, and another one that stands by. */
  async begin(): Promise<void> {
    this.#leader = await this.#start();
    const { process } = this.#leader;
    await until(() => process.log().includes('"Leading"'), `${process.identity} leads: ${process.log()}`, 30_000);
    this.#standby = this.#start();
  }

  /** Runs an experiment while its controllers die, each its own death. */
  async play(name: string, template: Json, deaths: readonly Death[], course: Course = {}): Promise<Outcome> {
    const { cluster } = this;
    const outcome: Outcome = { run: undefined, died: 0, writes: 0 };
    await this.#standby;
    const begin = () => this.#arm(deaths, course, outcome);
    if (!course.from) begin();
    await cluster.createRun(name, template);
    await course.from?.();
    if (course.from) begin();
    await course.meanwhile?.();
    outcome.run = await this.#ended(name);
    for (const deliver of this.#late.splice(0)) await deliver();
    await this.#ended(name);
    if (this.#leader) this.#leader.proxy.intercept = {};
    return outcome;
  }

  async stop(): Promise<void> {
    await this.#standby?.catch(() => {});
    for (const { process, proxy } of this.#candidates) {
      process.kill();
      await process.ended;
      await proxy.close();
    }
    await this.cluster.stop();
  }

  async #start(): Promise<Candidate> {
    const proxy = await startCrashProxy(this.cluster.cluster.url);
    const made = { proxy, process: startControllerProcess(this.bundle, proxy.url) };
    this.#candidates.push(made);
    await until(() => proxy.requests.length > 0, `${made.process.identity} to look at the Lease`, 30_000);
    return made;
  }

  /** Has the one that leads, or is about to, die the first of these deaths. */
  #arm([death, ...later]: readonly Death[], course: Course, outcome: Outcome): void {
    const leader = this.#leader;
    if (!leader) throw new Error('nobody leads');
    let own = 0;
    const die = () => {
      leader.process.kill();
      const isDead = () => true;
      leader.proxy.intercept = { before: isDead, answered: isDead };
      outcome.died += 1;
      this.#leader = undefined;
      this.#standby = this.#succeed(later, course, outcome);
    };
    const meets = (moment: Moment) => (request: ProxiedRequest) => {
      if (death?.moment !== moment || !(death.of ?? isWrite)(request)) return false;
      own += 1;
      return own === death.nth;
    };
    const [isBefore, isAnswered, isLate] = [meets('before'), meets('answered'), meets('late')];
    const dies = (isDue: boolean) => {
      if (isDue) die();
      return isDue;
    };
    const keep = (deliver: () => Promise<void>) => {
      this.#late.push(deliver);
      die();
    };
    leader.proxy.intercept = {
      before: (request) => {
        if (isWrite(request)) outcome.writes += 1;
        return dies(isBefore(request));
      },
      answered: (request) => dies(isAnswered(request)),
      late: (request) => (isLate(request) ? keep : undefined),
    };
  }

  /** Has the other one take over. Returns the one that stands by then. */
  async #succeed(deaths: readonly Death[], course: Course, outcome: Outcome): Promise<Candidate> {
    const next = this.#standby;
    await course.onDeath?.();
    this.#leader = await next;
    this.#arm(deaths, course, outcome);
    if (!course.patient) this.#expireLease();
    return this.#start();
  }

  /** Waits until a run is over and everything of it is cleared away. */
  async #ended(name: string): Promise<ExperimentRun | undefined> {
    const { cluster } = this;
    const isOver = () => {
      const run = cluster.run(name);
      return !run || (run.status?.finishTime !== undefined && !run.metadata.finalizers?.length);
    };
    const isClear = () => cluster.injections().every(({ spec }) => spec.run.name !== name);
    await until(() => isOver() && isClear(), `end of ${name}`, 30_000).catch((error: Error) => {
      const left = { status: cluster.run(name)?.status, injections: cluster.injections() };
      throw new Error(`${error.message}: ${JSON.stringify(left, undefined, 1)}`);
    });
    return cluster.run(name);
  }

  /** Nobody has to wait for the Lease of a process that is known to be dead. */
  #expireLease(): void {
    this.cluster.cluster.store.delete('leases.coordination.k8s.io', 'squall-system', 'squall-controller', {});
  }
}
