import { type Targets, targetKindOf } from '../api/targets.js';
import type { Candidate } from '../domain/observed.js';
import type { Client } from '../kubernetes/client.js';
import { NodeTargets, nodesOf, nodesOfZones } from './node-targets.js';
import { TargetWatch } from './target-watch.js';
import { WorkloadTargets } from './workload-targets.js';

/** Keeps the candidates of a step known while a run is active. */
export interface CandidateWatch {
  /** Begins to watch; failures are retried by a later call. Resolves when the candidates are known. */
  start(): Promise<void>;
  /** The candidates now; undefined while they are not known. */
  list(): Candidate[] | undefined;
  /** The same by UID. */
  byUid(): ReadonlyMap<string, Candidate> | undefined;
  /** For nodes: the names of others that could take their pods, as far as they matter; see `spareNodes` of a run. */
  spares?(): readonly string[];
  /** Why they can't be known: the controller may not read them. */
  readonly refusal: string | undefined;
  stop(): Promise<void>;
}

/** Where a watch gets its candidates and whom it tells. */
export interface WatchOptions {
  client: Client;
  /** The namespace of the run. */
  namespace: string;
  /** The node that the controller runs on; undefined: it is not known, as outside of a cluster. */
  ownNode?: string | undefined;
  onChange: () => void;
  onError: (error: unknown) => void;
}

/** A watch of the candidates that these targets name; it has not begun. */
export function watchOf(targets: Targets, options: WatchOptions): CandidateWatch {
  const kind = targetKindOf(targets);
  if (targets.pods) return new TargetWatch(options, targets.pods);
  if (targets.nodes) return new NodeTargets(options, nodesOf(targets.nodes));
  if (targets.zones) return new NodeTargets(options, nodesOfZones(targets.zones));
  if (targets.workloads) return new WorkloadTargets(options, targets.workloads);
  throw new Error(`targets.${kind} are not known`);
}
