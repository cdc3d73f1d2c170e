import type { Trouble } from './scenario.js';
import { ApiTrouble, type SimulatedCluster } from './simulated-cluster.js';
import { type Calls, Crash } from './simulated-process.js';

const CALL_MILLISECONDS = 5;
/** How long a call takes that is slow. */
export const SLOW_MILLISECONDS = 40_000;

/** Calls to an API server, and things done on nodes, some of which go wrong. */
export class TroubledCalls implements Calls {
  made = 0;
  outageSince = Infinity;
  outageUntil = 0;

  constructor(
    readonly troubles: ReadonlyMap<number, Trouble['kind']>,
    readonly cluster: SimulatedCluster,
  ) {}

  call<T>(kind: 'read' | 'write' | 'effect' | 'local', perform: () => T): T {
    const trouble = this.troubles.get(this.made);
    this.made += 1;
    this.cluster.now += trouble === 'slow' ? SLOW_MILLISECONDS : CALL_MILLISECONDS;
    if (trouble === 'crashBefore') throw new Crash();
    if (kind === 'local') return this.#locally(trouble, perform);
    if (this.isOut || trouble === 'unavailable') throw new ApiTrouble('unavailable');
    if (trouble === 'refused') throw new ApiTrouble(kind === 'effect' ? 'refused' : 'unavailable');
    const result = perform();
    if (trouble === 'crashAfter') throw new Crash();
    if (trouble === 'noAnswer') throw new ApiTrouble('noAnswer');
    return result;
  }

  #locally<T>(trouble: Trouble['kind'] | undefined, perform: () => T): T {
    if (trouble === 'refused') throw new ApiTrouble('refused');
    const result = perform();
    if (trouble === 'crashAfter') throw new Crash();
    return result;
  }

  get isOut(): boolean {
    return this.cluster.now < this.outageUntil;
  }

  /** Nothing is answered for a while. */
  outage(milliseconds: number): void {
    const { now } = this.cluster;
    if (!this.isOut) this.outageSince = now;
    this.outageUntil = Math.max(this.outageUntil, now + milliseconds);
  }
}
