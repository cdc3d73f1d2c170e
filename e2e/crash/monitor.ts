import type { CrashFault } from './faults.js';
import type { Site } from './site.js';
import type { Station } from './station.js';

const EVERY_MILLISECONDS = 500;

/** One look at a target: by real traffic, and at what is said of it. */
export interface Look {
  /** On the clock of `performance.now()`. */
  begun: number;
  ended: number;
  isHit: boolean;
  /** Whether a status said all the while that the fault is on. */
  isClaimed: boolean;
}

/** Keeps looking at one target while it goes through a run. */
export class Monitor {
  readonly looks: Look[] = [];
  /** While nobody can say anything, such as without an API server, nothing that was said before is held against anybody. */
  isExcused = false;
  #isStopped = false;
  readonly #running: Promise<void>;

  constructor(
    private readonly site: Site,
    private readonly station: Station,
    private readonly fault: CrashFault,
    private readonly target: { run: string; uid: string; address: string },
  ) {
    this.#running = this.#run();
  }

  /** Ends, after one more look. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  /** When the effect was seen last; undefined: never. */
  get lastHit(): number | undefined {
    return this.looks.findLast(({ isHit }) => isHit)?.ended;
  }

  /** The longest time, in milliseconds, for which the fault was said to be on and was not, up to a moment. */
  longestLie(until = Number.POSITIVE_INFINITY): number {
    let since: number | undefined;
    let longest = 0;
    for (const { begun, ended, isHit, isClaimed } of this.looks) {
      if (isHit || !isClaimed || begun > until) since = undefined;
      else {
        since ??= begun;
        longest = Math.max(longest, ended - since);
      }
    }
    return longest;
  }

  async #run(): Promise<void> {
    do {
      await this.#look();
      await new Promise((resolve) => setTimeout(resolve, EVERY_MILLISECONDS));
    } while (!this.#isStopped);
    await this.#look();
  }

  async #look(): Promise<void> {
    const before = this.#claim();
    const begun = performance.now();
    const isHit = await this.fault.isHit(this.station, this.target.address, this.site.peer);
    this.looks.push({ begun, ended: performance.now(), isHit, isClaimed: before && this.#claim() && !this.isExcused });
  }

  #claim(): boolean {
    return this.site.isClaimed(this.target.run, this.target.uid);
  }
}
