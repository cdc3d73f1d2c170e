import type { Measured } from '../../src/testing/kernel-case.js';

/** How one case ended in the machine. */
export interface CaseReport {
  name: string;
  /** Why it failed; undefined: it passed. */
  failure?: string;
  measured: Measured[];
  milliseconds: number;
}
