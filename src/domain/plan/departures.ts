import type { BudgetView, ClusterView, NodeView, PodView } from './cluster.js';
import type { Effect, NodeEffect, PodEffect, WorkloadEffect } from './effect.js';
import { covers } from './fit.js';
import { SelectorIndex } from './label-index.js';

/** Pods that a disruption budget keeps from being evicted. */
export interface HeldBack {
  budget: BudgetView;
  pods: readonly PodView[];
  /** It allows none at all, so that they stay; otherwise they go one after the other, as others become Ready. */
  blocked: boolean;
  /** That is what is tested. */
  expected: boolean;
}

/** Which pods a group of steps takes away or out of service. */
export interface Departures {
  /** Those that are gone at the same moment. */
  gone: ReadonlySet<string>;
  /** Those that go in the end, also one after the other. */
  leaving: ReadonlySet<string>;
  /** Those that stay where they are and are not Ready for a while. */
  down: ReadonlySet<string>;
  heldBack: readonly HeldBack[];
  /** The nodes as they are meanwhile. */
  nodes: readonly NodeView[];
}

/** Works out whom effects that come at the same time take away. */
export function departures(view: ClusterView, effects: readonly Effect[]): Departures {
  const ofNodes = effects.filter((effect): effect is NodeEffect => effect.on === 'node');
  const ofPods = effects.filter((effect): effect is PodEffect => effect.on === 'pods');
  const uids = (how: PodEffect['how']) => ofPods.flatMap((effect) => (effect.how === how ? effect.uids : []));
  const present = view.pods.filter(({ terminating, completed }) => !terminating && !completed);
  const deleted = new Set([
    ...uids('deleted'),
    ...ofNodes.flatMap((effect) => intolerant(present, effect)),
    ...effects.flatMap((effect) => (effect.on === 'workload' ? surplus(view, present, effect) : [])),
  ]);
  const wanted = new Set(uids('evicted').filter((uid) => !deleted.has(uid)));
  const expecting = ofPods.filter(({ expectsBudget }) => expectsBudget).flatMap((effect) => effect.uids);
  const { evicted, later, heldBack } = evict(
    view,
    present.filter(({ uid }) => wanted.has(uid)),
  );
  return {
    gone: new Set([...deleted, ...evicted]),
    leaving: new Set([...deleted, ...evicted, ...later]),
    down: new Set(uids('outOfService')),
    heldBack: heldBack.map((held) => ({ ...held, expected: held.pods.every(({ uid }) => expecting.includes(uid)) })),
    nodes: view.nodes.map((node) => changed(node, ofNodes)),
  };
}

function changed(node: NodeView, effects: readonly NodeEffect[]): NodeView {
  const own = effects.filter(({ name }) => name === node.name);
  if (own.length === 0) return node;
  return {
    ...node,
    unschedulable: node.unschedulable || own.some(({ unschedulable }) => unschedulable),
    taints: [...node.taints, ...own.flatMap(({ taints = [] }) => taints)],
  };
}

/** The pods that a taint with `NoExecute` drives from a node while it lasts; no disruption budget holds them. */
function intolerant(pods: readonly PodView[], { name, taints = [], seconds }: NodeEffect): string[] {
  const driving = taints.filter(({ effect }) => effect === 'NoExecute');
  if (driving.length === 0) return [];
  const stays = ({ placing }: PodView) =>
    driving.every((taint) =>
      placing.tolerations.some(
        (toleration) =>
          covers(toleration, taint) && (toleration.tolerationSeconds ?? Number.POSITIVE_INFINITY) >= seconds,
      ),
    );
  return pods.filter((pod) => pod.node === name && !stays(pod)).map(({ uid }) => uid);
}

/** How many replicas a scaled workload is to have. */
export function scaledTo({ to }: WorkloadEffect, replicas: number): number | undefined {
  if (to === undefined) return undefined;
  return 'count' in to ? to.count : Math.floor((replicas * to.percent) / 100);
}

/** Those that a workload which is scaled down gives up: of a StatefulSet the last, of others those not Ready, then the newest. */
function surplus(view: ClusterView, present: readonly PodView[], effect: WorkloadEffect): string[] {
  const { namespace, workload } = effect;
  const found = view.workloads.find((each) => each.namespace === namespace && each.workload === workload);
  const to = found && scaledTo(effect, found.replicas);
  if (to === undefined) return [];
  const own = present.filter((pod) => pod.namespace === namespace && pod.workload === workload);
  const ordinal = ({ name }: PodView) => Number(/-(\d+)$/.exec(name)?.[1] ?? 0);
  const isOrdered = workload.startsWith('StatefulSet/');
  own.sort((a, b) =>
    isOrdered ? ordinal(b) - ordinal(a) : Number(a.ready) - Number(b.ready) || b.createdAt - a.createdAt,
  );
  return own.slice(0, Math.max(0, own.length - to)).map(({ uid }) => uid);
}

interface Evictions {
  evicted: string[];
  later: string[];
  heldBack: Omit<HeldBack, 'expected'>[];
}

/** Which of these pods the API server would evict at once; it asks their budgets, and refuses those that have two (KEP-85). */
function evict(view: ClusterView, pods: readonly PodView[]): Evictions {
  const found: Evictions = { evicted: [], later: [], heldBack: [] };
  const held = new Map<BudgetView, PodView[]>();
  const spent = new Map<BudgetView, number>();
  const index = new SelectorIndex(view.budgets);
  for (const pod of pods) {
    const budgets = index.of(pod);
    const [budget] = budgets;
    if (!budget || isEvicted(pod, budgets, spent)) {
      found.evicted.push(pod.uid);
      continue;
    }
    held.set(budget, [...(held.get(budget) ?? []), pod]);
    if (budgets.length === 1 && budget.allowed > 0) found.later.push(pod.uid);
  }
  const later = new Set(found.later);
  for (const [budget, waiting] of held)
    found.heldBack.push({ budget, pods: waiting, blocked: waiting.some(({ uid }) => !later.has(uid)) });
  return found;
}

/** A pod that is not Ready takes nothing from a budget that is kept. */
function isEvicted({ ready }: PodView, budgets: readonly BudgetView[], spent: Map<BudgetView, number>): boolean {
  const [budget] = budgets;
  if (!budget || budgets.length > 1) return !budget;
  if (!ready && budget.healthy >= budget.desired) return true;
  const used = spent.get(budget) ?? 0;
  spent.set(budget, used + 1);
  return used < budget.allowed;
}
