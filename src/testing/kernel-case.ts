import type { NetworkPods } from './network-pods.js';

/** A thing that was measured inside of a kernel, beside what was asked for. */
export interface Measured {
  /** Such as `p50 of the delay` or `lost`. */
  what: string;
  /** Such as `100 ms`. */
  expected: string;
  /** Such as `100.4 ms`. */
  measured: string;
  /** The same with plain `tc`, measured in the same run. */
  plain?: string;
}

/** What a case gets to work with: a pod and two peers, left as they were by the case before it. */
export interface CaseWorld {
  pods: NetworkPods;
  /** Puts a figure into the table that is printed at the end. */
  measured(figure: Measured): void;
}

/** A behaviour on a real kernel, run without a test framework. Fails by throwing. */
export interface KernelCase {
  /** A sentence; unique. */
  name: string;
  run(world: CaseWorld): Promise<void>;
}
