import type { ExperimentRun } from '../api/experiment-run.js';
import type { decideAgentInjection } from '../domain/agent-injection.js';
import type { believed } from '../domain/belief.js';
import type { decideInjection } from '../domain/injection.js';
import type { Attempt, Outcome, Preparation, Sighting, Undone } from '../domain/injection-observed.js';
import type { decideLifeCycle } from '../domain/life-cycle.js';
import type { StepFacts } from '../domain/observed.js';
import type { decideRun } from '../domain/run.js';
import type { SimulatedAgents } from './simulated-agents.js';
import { ApiTrouble, type SimulatedCluster } from './simulated-cluster.js';
import type { ProbeProcess } from './simulated-probes.js';

/** The pure core, or a mutant of it. */
export interface Core {
  decideRun: typeof decideRun;
  decideInjection: typeof decideInjection;
  decideLifeCycle: typeof decideLifeCycle;
  decideAgentInjection: typeof decideAgentInjection;
  isStopping(run: ExperimentRun, halts: readonly string[]): boolean;
  believed: typeof believed;
}

/** The controller's process ended between two actions, or right after one. */
export class Crash extends Error {}

/** What goes wrong with calls to the API server. */
export interface Calls {
  /**
   * Performs one call, unless something goes wrong before, or after it. What is `local` is done on a node and needs no
   * API server.
   */
  call<T>(kind: 'read' | 'write' | 'effect' | 'local', perform: () => T): T;
  /** Whether nothing is answered now. */
  readonly isOut: boolean;
}

/** What a process is started with. */
export interface Setting {
  cluster: SimulatedCluster;
  core: Core;
  calls: Calls;
  facts: Record<string, StepFacts>;
  probes: Record<string, ProbeProcess>;
  agents: SimulatedAgents;
  /** By node and step, why its agent can't carry it out. */
  refusals: Readonly<Record<string, Record<string, string>>>;
  start: number;
  /** How long it takes until the pods are known, in milliseconds. */
  podsDelay: number;
  /** Which caches lag behind when something is looked at: 1 the run, 2 injections, 4 pods, 8 halts. */
  lag(): number;
}

/** What a process remembers of an injection. */
export interface Memory {
  uid: string;
  outcomes: Map<string, Attempt>;
  undone: Map<string, Undone>;
  prepared: Map<string, Preparation>;
  sightings: Map<string, Sighting>;
  certain: boolean;
}

/** What came of an attempt, or the trouble that leaves it open. */
export function outcomeOf(attempt: () => void): Outcome | ApiTrouble {
  try {
    attempt();
    return { result: 'done' };
  } catch (error) {
    if (!(error instanceof ApiTrouble)) throw error;
    if (error.kind === 'notFound') return { result: 'gone' };
    return error.kind === 'refused' ? { result: 'refused', message: 'forbidden' } : error;
  }
}

/** Performs a call and takes some errors for success, such as that something to be deleted is gone. */
export function ignoring<T>(kinds: ApiTrouble['kind'][], perform: () => T): T | undefined {
  try {
    return perform();
  } catch (error) {
    if (error instanceof ApiTrouble && kinds.includes(error.kind)) return undefined;
    throw error;
  }
}
