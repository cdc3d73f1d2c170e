import type { NodeView, PodView } from './cluster.js';
import { refusalsOf } from './fit.js';
import type { Occupation } from './occupation.js';

/** Whether the pods of one workload would find a node. */
export interface Placement {
  namespace: string;
  /** As `Deployment/web`; undefined: pods of no workload. */
  workload?: string;
  /** How many look for a node. */
  wanted: number;
  /** How many find one. */
  placed: number;
  /** Why the first of the others does not: `0/5 nodes: 3 insufficient cpu, 2 untolerated taint`. */
  reason?: string;
}

/**
 * Places pods one after the other, as kube-scheduler would: the node with the fewest pods of the same workload, then the
 * one with the most room. Soft rules, volumes, host ports, priorities and preemption are left out.
 */
export function place(pods: readonly PodView[], occupation: Occupation): Placement[] {
  const placements = new Map<string, Placement>();
  for (const pod of pods) {
    const key = `${pod.namespace}/${pod.workload ?? ''}`;
    const { namespace, workload } = pod;
    const placement = placements.get(key) ?? { namespace, ...(workload && { workload }), wanted: 0, placed: 0 };
    placements.set(key, placement);
    placement.wanted += 1;
    const why = new Map<string, number>();
    const node = bestNode(pod, occupation, why);
    if (node) {
      placement.placed += 1;
      occupation.add(pod, node);
    } else placement.reason ??= reasonWords(occupation.nodes.length, why);
  }
  return [...placements.values()];
}

function bestNode(pod: PodView, occupation: Occupation, why: Map<string, number>): NodeView | undefined {
  const refusals = refusalsOf(pod, occupation);
  let best: { node: NodeView; score: number } | undefined;
  for (const node of occupation.nodes) {
    const refused = refusals(node);
    for (const reason of refused) why.set(reason, (why.get(reason) ?? 0) + 1);
    if (refused.length > 0) continue;
    const score = scoreOf(pod, node, occupation);
    if (!best || score < best.score) best = { node, score };
  }
  return best?.node;
}

function scoreOf(pod: PodView, { name, allocatable }: NodeView, occupation: Occupation): number {
  const share = (resource: string) => occupation.used(name, resource) / (allocatable[resource] || 1);
  return occupation.siblings(pod, name) * 1_000 + share('cpu') + share('memory') + occupation.pods(name) / 1_000;
}

function reasonWords(nodes: number, why: ReadonlyMap<string, number>): string {
  if (nodes === 0) return 'there is no node';
  const parts = [...why].sort(([left, a], [right, b]) => b - a || (left < right ? -1 : 1));
  return `0/${nodes} nodes: ${parts.map(([reason, count]) => `${count} ${reason}`).join(', ')}`;
}
