import type { Candidate } from '../domain/observed.js';

/** A pod of the simulated cluster. */
export interface SimulatedPod extends Candidate {
  app: string;
  /** When a deleted pod is gone. */
  endsAt?: number;
  /** When a new pod turns Ready. */
  readyAt?: number;
  /** No fault takes effect on it, such as when it has no traffic. */
  idle?: boolean;
}

/** How pods are replaced: after this many milliseconds; undefined: never. */
export interface Replacement {
  after: number | undefined;
  readyAfter: number;
}
