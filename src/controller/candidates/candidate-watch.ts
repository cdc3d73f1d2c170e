import { type Targets, targetKindOf } from '../../api/targets.js';
import { NodeTargets, nodesOf, nodesOfZones } from './node-targets.js';
import { TargetWatch } from './target-watch.js';
import type { CandidateWatch, WatchOptions } from './watched-candidates.js';
import { WorkloadTargets } from './workload-targets.js';

/** A watch of the candidates that these targets name; it has not begun. */
export function watchOf(targets: Targets, options: WatchOptions): CandidateWatch {
  const kind = targetKindOf(targets);
  if (targets.pods) return new TargetWatch(options, targets.pods);
  if (targets.nodes) return new NodeTargets(options, nodesOf(targets.nodes));
  if (targets.zones) return new NodeTargets(options, nodesOfZones(targets.zones));
  if (targets.workloads) return new WorkloadTargets(options, targets.workloads);
  throw new Error(`targets.${kind} are not known`);
}
