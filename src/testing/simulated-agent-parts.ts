import type { Ended, Injection, Target } from '../api/injection.js';
import type { FaultSighting } from '../domain/agent-injection.js';
import type { Outcome } from '../domain/injection-observed.js';
import { ApiTrouble, type SimulatedCluster } from './simulated-cluster.js';

/** Something that is done bit by bit. */
export type Work = Generator<void, void, void>;

/** What an agent writes to disk before it touches anything. */
export interface UndoRecord {
  injection: Injection;
  target: Target;
  bootId: string;
  ended?: Ended;
}

/** What one life of an agent remembers of an injection. */
export interface Memory {
  uid: string;
  outcomes: Map<string, Outcome>;
  undone: Map<string, Outcome>;
  sightings: Map<string, FaultSighting>;
  ended: Ended | undefined;
}

/** A node: its disk survives its agents. */
export interface Node {
  bootId: string;
  records: Map<string, UndoRecord>;
  memory: Map<string, Memory>;
  running: Map<string, Work>;
  /** Until then there is no agent. */
  downUntil: number;
  /** When the agent said last that it is alive. */
  renewedAt: number;
}

/** What an agent remembers of an injection; nothing yet when it is another one than before. */
export function remember(node: Node, { metadata }: Injection): Memory {
  const known = node.memory.get(metadata.name);
  if (known?.uid === metadata.uid) return known;
  const fresh = { uid: metadata.uid, outcomes: new Map(), undone: new Map(), sightings: new Map(), ended: undefined };
  node.memory.set(metadata.name, fresh);
  return fresh;
}

/** Whether the status says that the fault is on. */
export function isOn(cluster: SimulatedCluster, name: string, uid: string): boolean {
  const state = cluster.injections.get(name)?.status?.targets?.find((target) => target.uid === uid)?.state;
  return state === 'Confirmed' || state === 'Effective';
}

/** What came of something that was done on a node. */
export function localOutcome(attempt: () => void): Outcome {
  try {
    attempt();
    return { result: 'done' };
  } catch (error) {
    if (!(error instanceof ApiTrouble)) throw error;
    return error.kind === 'notFound' ? { result: 'gone' } : { result: 'refused', message: 'not permitted' };
  }
}
