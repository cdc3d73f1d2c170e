import type { BudgetView, ClusterView, PodView, WorkloadView } from './cluster.js';
import { type Departures, departures, type HeldBack, scaledTo } from './departures.js';
import type { Effect } from './effect.js';
import { SelectorIndex } from './label-index.js';
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
  const hit = new Set(touched.map(keyOf));
  for (const effect of effects) if (effect.on === 'workload') hit.add(keyOf(effect));
  const before = readyByWorkload(view.pods);
  const now = readyByWorkload(left.pods);
  const workloads = view.workloads
    .filter((each) => hit.has(keyOf(each)))
    .map((each) => {
      const own = now.get(keyOf(each)) ?? [];
      const { namespace, workload, replicas } = each;
      const ready = before.get(keyOf(each))?.length ?? 0;
      return { namespace, workload, replicas, ready, worst: worstOf(each, own, isOut, effects) };
    });
  return {
    workloads,
    ...placesOf(view, left, isAway, departed),
    budgets: budgetsOf(view, touched, isOut, heldBack),
    heldBack,
  };
}

/** The Ready pods of each workload, by its key. */
export function readyByWorkload(pods: readonly PodView[]): Map<string, PodView[]> {
  const found = new Map<string, PodView[]>();
  for (const pod of pods) {
    if (!isUp(pod)) continue;
    const known = found.get(keyOf(pod));
    if (known) known.push(pod);
    else found.set(keyOf(pod), [pod]);
  }
  return found;
}

/** The fewest of these Ready pods of a workload that are left at the same time. */
function worstOf(
  workload: WorkloadView,
  pods: readonly PodView[],
  isOut: (pod: PodView) => boolean,
  effects: readonly Effect[],
): number {
  const own = effects
    .filter((effect) => effect.on === 'workload')
    .filter((effect) => keyOf(effect) === keyOf(workload));
  const rolled = own.some(({ to }) => to === undefined) ? workload.rolledAtOnce : 0;
  const stays = pods.filter((pod) => !isOut(pod)).length;
  const scaled = own.flatMap((effect) => scaledTo(effect, workload.replicas) ?? []);
  if (scaled.length === 0) return Math.max(0, stays - rolled);
  // Which pods a scaled workload keeps is not known: it may be those that are hit beside.
  const beside = new Set(effects.flatMap((effect) => (effect.on === 'pods' ? effect.uids : [])));
  const kept = Math.min(...scaled) - pods.filter(({ uid }) => beside.has(uid)).length;
  return Math.max(0, Math.min(stays, kept) - rolled);
}

function budgetsOf(
  { budgets }: ClusterView,
  touched: readonly PodView[],
  isOut: (pod: PodView) => boolean,
  heldBack: readonly HeldBack[],
): BudgetForecast[] {
  const index = new SelectorIndex(budgets);
  const lost = new Map<BudgetView, number>(heldBack.map(({ budget }) => [budget, 0]));
  for (const pod of touched)
    for (const budget of index.of(pod)) lost.set(budget, (lost.get(budget) ?? 0) + Number(isOut(pod) && isUp(pod)));
  return budgets.filter((budget) => lost.has(budget)).map((budget) => budgetForecast(budget, lost.get(budget) ?? 0));
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

/** What tells a workload from all others. */
export function keyOf({ namespace, workload }: { namespace: string; workload?: string }): string {
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
