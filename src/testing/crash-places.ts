import { expect } from '@jest/globals';
import { type ControllerBundle, startTestCluster, type TestCluster } from './controllers.js';
import { CrashGround } from './crash-ground.js';
import { type Course, CrashLane, type Death } from './crash-lane.js';
import { excesses, happened, type StepName, templateOf } from './crash-scenes.js';

/** One run, and the deaths of its controllers. */
export interface Case {
  steps: readonly StepName[];
  deaths: readonly Death[];
  /** What else happens to the run of this name. */
  course?(cluster: TestCluster, run: string): Course;
  /** What somebody does when the run is over. */
  after?(cluster: TestCluster): Promise<void>;
  /** Why the run ends, when somebody else ends it. */
  reason?: string;
}

/** What came of a case. */
export interface Played {
  writes: number;
  /** The case and its verdict, for people. */
  line: string;
  /** The steps that were seen to happen. */
  seen: StepName[];
}

/** A cluster with its controllers. */
export class Place {
  #runs = 0;

  private constructor(
    readonly lane: CrashLane,
    readonly ground: CrashGround,
  ) {}

  static async make(bundle: ControllerBundle): Promise<Place> {
    const cluster = await startTestCluster(bundle.workerUrl, { nodes: 7 });
    const lane = new CrashLane(cluster, bundle);
    const ground = await CrashGround.make(cluster);
    await lane.begin();
    return new Place(lane, ground);
  }

  /** Plays a case, and looks whether everything is as before. */
  async play({ steps, deaths, course, after, reason: expected }: Case): Promise<Played> {
    const { lane, ground } = this;
    const { cluster } = lane;
    this.#runs += 1;
    const name = `run-${this.#runs}`;
    const witness = ground.watch();
    const { run, died, writes } = await lane.play(name, templateOf(steps), deaths, course?.(cluster, name));
    await after?.(cluster);
    const differences = await ground.differences();
    const { reason, verdict, message = 'deleted', steps: told = [] } = run?.status ?? {};
    const line = `${steps.length === 1 ? steps[0] : 'together'} ${JSON.stringify(deaths)}: ${died} died, ${verdict}/${reason} ${message}`;
    const ends = [...(expected ? [expected] : []), 'HypothesisHeld', 'NotEnoughSamples', 'FaultNotEffective'];
    const seen = steps.filter((step) => happened[step](witness, ground));
    const lies = told.filter(({ name: step, effective }) => effective > 0 && !seen.includes(step as StepName));
    expect({
      line,
      differences,
      lies: lies.map((step) => step.name),
      excesses: excesses(witness, ground),
      injections: cluster.injections(),
      finalizers: run?.metadata.finalizers ?? [],
      ends: !run || ends.includes(reason ?? ''),
    }).toEqual({ line, differences: [], lies: [], excesses: [], injections: [], finalizers: [], ends: true });
    return { writes, line, seen };
  }
}

/** All places, and who waits for one. */
export class Places {
  readonly #free: Place[] = [];
  readonly #waiting: ((place: Place) => void)[] = [];

  constructor(readonly all: readonly Place[]) {
    this.#free.push(...all);
  }

  async play(one: Case): Promise<Played> {
    const place = this.#free.pop() ?? (await new Promise<Place>((resolve) => this.#waiting.push(resolve)));
    return place.play(one).finally(() => {
      const next = this.#waiting.shift();
      if (next) next(place);
      else this.#free.push(place);
    });
  }
}
