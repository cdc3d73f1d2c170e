import type { BudgetView, ClusterView, PodView, WorkloadView } from './cluster.js';
import { type Departures, departures, type HeldBack, isCounted, scaledTo } from './departures.js';
import type { Effect } from './effect.js';
import { Occupation } from './occupation.js';
import { type Placement, place } from './placement.js';

/** The steps of a method that are on at the same time, and all they do. */
export interface Together {
  steps: readonly string[];
  effects: readonly Effect[];
}

/** How many pods of something are Ready now, and at its worst moment. */
export interface Ready {
  ready: number;
  worst: number;
}

/** What becomes of a workload. */
export interface WorkloadForecast extends Ready {
  namespace: string;
  /** As `Deployment/web`. */
  workload: string;
  /** How many pods it is meant to have. */
  replicas: number;
}

/** What becomes of a node or zone. */
export interface PlaceForecast extends Ready {
  name: string;
  /** It takes no newcomers while the steps are on. */
  closed: boolean;
}

/** What becomes of a disruption budget. */
export interface BudgetForecast {
  namespace: string;
  name: string;
  /** How many pods it wants to be healthy. */
  desired: number;
  healthy: number;
  /** How many of its pods may be disrupted now. */
  allowed: number;
  /** The same at the worst moment; below 0, so many are healthy less than it wants. */
  allowedWorst: number;
}

/** What is foretold of a group of steps. Each figure is the lowest that thing comes to; replacements count as not Ready yet. */
export interface Forecast {
  steps: readonly string[];
  workloads: WorkloadForecast[];
  nodes: PlaceForecast[];
  zones: PlaceForecast[];
  budgets: BudgetForecast[];
  heldBack: readonly HeldBack[];
  /** Whether those that are made anew find a node. */
  placements: Placement[];
  departures: Departures;
}

/** Foretells what groups of steps do, one group after the other. What finds no node in one is still missing in the next. */
export function forecast(view: ClusterView, groups: readonly Together[]): Forecast[] {
  let missing = new Set<string>();
  return groups.map((group) => {
    const left = { ...view, pods: view.pods.filter(({ uid }) => !missing.has(uid)) };
    const departed = departures(left, group.effects);
    const { placements, homeless } = placeAnew(view, group, departed);
    missing = new Set([...missing, ...homeless]);
    return { steps: group.steps, ...countsOf(view, left, group, departed), placements, departures: departed };
  });
}

/** Whether a pod is counted as Ready. */
export function isUp({ ready, terminating }: Pick<PodView, 'ready' | 'terminating'>): boolean {
  return ready && !terminating;
}

type Counts = Pick<Forecast, 'workloads' | 'nodes' | 'zones' | 'budgets' | 'heldBack'>;

function countsOf(view: ClusterView, left: ClusterView, { effects }: Together, departed: Departures): Counts {
  const { gone, leaving, down, heldBack } = departed;
  const isOut = ({ uid }: PodView) => gone.has(uid) || down.has(uid);
  const isAway = ({ uid }: PodView) => leaving.has(uid) || down.has(uid);
  const touched = left.pods.filter(isAway);
  const rolled = rolledAtOnce(view, effects);
  const workloads = view.workloads
    .filter(({ namespace, workload }) => {
      const isOne = (each: { namespace: string; workload?: string }) =>
        each.namespace === namespace && each.workload === workload;
      return touched.some(isOne) || effects.some((effect) => effect.on === 'workload' && isOne(effect));
    })
    .map((each) => workloadForecast(view, left, each, isOut, { rolled: rolled.get(each) ?? 0, effects }));
  return {
    workloads,
    ...placesOf(view, left, isAway, departed),
    budgets: view.budgets
      .filter(
        (budget) => touched.some((pod) => isCounted(budget, pod)) || heldBack.some((held) => held.budget === budget),
      )
      .map((budget) =>
        budgetForecast(budget, left.pods.filter((pod) => isOut(pod) && isUp(pod) && isCounted(budget, pod)).length),
      ),
    heldBack,
  };
}

function rolledAtOnce(view: ClusterView, effects: readonly Effect[]): Map<WorkloadView, number> {
  const rolled = view.workloads.filter(({ namespace, workload }) =>
    effects.some(
      (effect) =>
        effect.on === 'workload' &&
        effect.to === undefined &&
        effect.namespace === namespace &&
        effect.workload === workload,
    ),
  );
  return new Map(rolled.map((each) => [each, each.rolledAtOnce]));
}

function workloadForecast(
  view: ClusterView,
  left: ClusterView,
  { namespace, workload, replicas }: WorkloadView,
  isOut: (pod: PodView) => boolean,
  { rolled, effects }: { rolled: number; effects: readonly Effect[] },
): WorkloadForecast {
  const isOwn = (pod: PodView) => pod.namespace === namespace && pod.workload === workload && isUp(pod);
  const ready = view.pods.filter(isOwn).length;
  const stays = left.pods.filter((pod) => isOwn(pod) && !isOut(pod)).length;
  const hit = hitBeside(effects, left.pods.filter(isOwn));
  const scaled = effects.flatMap((effect) => {
    const isMeant = effect.on === 'workload' && effect.namespace === namespace && effect.workload === workload;
    return isMeant ? (scaledTo(effect, replicas) ?? []) : [];
  });
  // Which pods a scaled workload keeps is not known: it may be those that are hit beside.
  const kept = scaled.length > 0 ? Math.min(...scaled) - hit : Number.POSITIVE_INFINITY;
  return { namespace, workload, replicas, ready, worst: Math.max(0, Math.min(stays, kept) - rolled) };
}

function hitBeside(effects: readonly Effect[], pods: readonly PodView[]): number {
  const hit = new Set(effects.flatMap((effect) => (effect.on === 'pods' ? effect.uids : [])));
  return pods.filter(({ uid }) => hit.has(uid)).length;
}

function placesOf(
  view: ClusterView,
  left: ClusterView,
  isAway: (pod: PodView) => boolean,
  { nodes: meanwhile }: Departures,
): Pick<Forecast, 'nodes' | 'zones'> {
  const before = countByNode(view.pods.filter(isUp));
  const after = countByNode(left.pods.filter((pod) => isUp(pod) && !isAway(pod)));
  const nodes = view.nodes.map((node, index) => ({
    name: node.name,
    zone: node.zone,
    ready: before.get(node.name) ?? 0,
    worst: after.get(node.name) ?? 0,
    closed: meanwhile[index] !== node,
  }));
  const isTouched = ({ ready, worst, closed }: PlaceForecast) => worst < ready || closed;
  const zoned = [...new Set(nodes.flatMap(({ zone }) => zone ?? []))].sort();
  // Where each node is a zone of its own, zones say nothing that nodes don't.
  const names = zoned.length < nodes.length ? zoned : [];
  const zones = names.map((name) => {
    const own = nodes.filter(({ zone }) => zone === name);
    const sum = (count: 'ready' | 'worst') => own.reduce((total, node) => total + node[count], 0);
    return { name, ready: sum('ready'), worst: sum('worst'), closed: own.every(({ closed }) => closed) };
  });
  return { nodes: nodes.filter(isTouched).map(({ zone: _zone, ...node }) => node), zones: zones.filter(isTouched) };
}

function countByNode(pods: readonly PodView[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { node } of pods) counts.set(node, (counts.get(node) ?? 0) + 1);
  return counts;
}

function budgetForecast({ namespace, name, desired, healthy, allowed }: BudgetView, lost: number): BudgetForecast {
  return { namespace, name, desired, healthy, allowed, allowedWorst: healthy - lost - desired };
}

/** Places those that are made anew while the steps are on, and says which have no place when these are over. */
function placeAnew(
  view: ClusterView,
  { effects }: Together,
  { leaving, nodes }: Departures,
): { placements: Placement[]; homeless: string[] } {
  if (view.placementUnknown !== undefined) return { placements: [], homeless: [] };
  const scaled = new Set(effects.flatMap((effect) => (effect.on === 'workload' && effect.to ? [keyOf(effect)] : [])));
  const anew = view.pods.filter((pod) => leaving.has(pod.uid) && pod.replaced && !scaled.has(keyOf(pod)));
  const staying = view.pods.filter(({ uid }) => !leaving.has(uid));
  const occupation = new Occupation(nodes, staying, view.namespaces);
  const placements = place([...anew, ...moreOf(view, effects)], occupation);
  if (placements.every(({ placed, wanted }) => placed === wanted)) return { placements, homeless: [] };
  const after = new Occupation(view.nodes, staying, view.namespaces);
  const homeless = anew.filter((pod) => place([pod], after).some(({ placed }) => placed === 0));
  return { placements, homeless: homeless.map(({ uid }) => uid) };
}

function keyOf({ namespace, workload }: { namespace: string; workload?: string }): string {
  return `${namespace}/${workload ?? ''}`;
}

/** The pods that a workload which is scaled up gets, made like one it has. */
function moreOf(view: ClusterView, effects: readonly Effect[]): PodView[] {
  return effects.flatMap((effect) => {
    if (effect.on !== 'workload') return [];
    const found = view.workloads.find((each) => keyOf(each) === keyOf(effect));
    const like = view.pods.find((pod) => keyOf(pod) === keyOf(effect));
    const more = found ? (scaledTo(effect, found.replicas) ?? 0) - found.replicas : 0;
    return like ? Array.from({ length: Math.max(0, more) }, () => like) : [];
  });
}
