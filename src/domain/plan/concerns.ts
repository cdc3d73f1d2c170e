import type { ClusterView, PodView } from './cluster.js';
import { type Forecast, keyOf, readyByWorkload, type WorkloadForecast } from './forecast.js';

/** Something of the cluster that the plan has come across and that people should know. */
export interface Concern {
  kind:
    | 'NoController'
    | 'SingleReplica'
    | 'NoneReady'
    | 'OneNode'
    | 'OneZone'
    | 'SingleEndpoint'
    | 'NoEndpoint'
    | 'BudgetBlocks'
    | 'BudgetBroken'
    | 'NotHeldBack'
    | 'NoRoom'
    | 'NotReplaced';
  message: string;
}

/** The single points of failure that a group of steps meets, and what it would leave broken. */
export function concernsOf(view: ClusterView, forecast: Forecast): Concern[] {
  const ready = readyByWorkload(view.pods);
  const zones = new Map(view.nodes.map((node) => [node.name, node.zone]));
  return [
    ...forecast.workloads.flatMap((workload) => ofWorkload(workload, ready.get(keyOf(workload)) ?? [], zones)),
    ...ofServices(view, forecast),
    ...ofBudgets(forecast),
    ...ofPlacements(forecast),
    ...ofBarePods(view, forecast),
  ];
}

function ofWorkload(
  { namespace, workload, replicas, ready, worst }: WorkloadForecast,
  own: readonly PodView[],
  zoneOf: ReadonlyMap<string, string | undefined>,
): Concern[] {
  if (worst >= ready) return [];
  const found: Concern[] = [];
  const name = `${words(workload)} in ${namespace}`;
  if (replicas === 1) found.push({ kind: 'SingleReplica', message: `${name} has one replica: nothing takes over` });
  else if (worst === 0) found.push({ kind: 'NoneReady', message: `${name} has no Ready pod at the worst moment` });
  if (own.length < 2) return found;
  const nodes = new Set(own.map(({ node }) => node));
  const zones = new Set(own.map(({ node }) => zoneOf.get(node)));
  const [zone] = zones;
  const isZoned = new Set(zoneOf.values()).size > 1;
  if (nodes.size === 1 && zoneOf.size > 1)
    found.push({ kind: 'OneNode', message: `all ${own.length} Ready pods of ${name} are on node ${[...nodes][0]}` });
  else if (zones.size === 1 && zone !== undefined && isZoned)
    found.push({ kind: 'OneZone', message: `all ${own.length} Ready pods of ${name} are in zone ${zone}` });
  return found;
}

function ofServices({ services }: ClusterView, { departures: { gone, down } }: Forecast): Concern[] {
  return services.flatMap(({ namespace, name, ready }): Concern[] => {
    const left = ready.filter((uid) => !gone.has(uid) && !down.has(uid));
    if (left.length > 0 || ready.length === 0) return [];
    const service = `Service ${name} in ${namespace}`;
    if (ready.length === 1)
      return [{ kind: 'SingleEndpoint', message: `${service} has a single Ready endpoint, and it is hit` }];
    return [{ kind: 'NoEndpoint', message: `${service} has none of its ${ready.length} Ready endpoints left` }];
  });
}

function ofBudgets({ heldBack, budgets }: Forecast): Concern[] {
  const blocked = heldBack.filter((held) => held.blocked && !held.expected);
  return [
    ...blocked.map(({ budget, pods }): Concern => {
      const which = `PodDisruptionBudget ${budget.name} in ${budget.namespace}`;
      const why = budget.allowed === 0 ? 'allows none now' : 'is not the only one for them';
      return { kind: 'BudgetBlocks', message: `${which} holds back ${count(pods.length, 'eviction')}: it ${why}` };
    }),
    ...budgets
      .filter(({ allowedWorst }) => allowedWorst < 0)
      .map(({ namespace, name, desired, allowedWorst }): Concern => {
        const which = `PodDisruptionBudget ${name} in ${namespace}`;
        const message = `${which} wants ${desired} healthy, and has ${desired + allowedWorst} at the worst moment`;
        return { kind: 'BudgetBroken', message };
      }),
  ];
}

function ofPlacements({ placements }: Forecast): Concern[] {
  return placements
    .filter(({ placed, wanted }) => placed < wanted)
    .map(({ namespace, workload, placed, wanted, reason }) => ({
      kind: 'NoRoom',
      message: `${wanted - placed} of ${count(wanted, 'new pod')} of ${workload ? words(workload) : 'no workload'} in ${namespace} would find no node: ${reason}`,
    }));
}

/** What nothing makes anew is lost for good. Pods of DaemonSets come back with their node. */
function ofBarePods(view: ClusterView, { departures: { leaving } }: Forecast): Concern[] {
  const bare = view.pods.filter(
    ({ uid, replaced, workload }) => leaving.has(uid) && !replaced && workload === undefined,
  );
  return bare.map(({ namespace, name }: PodView) => ({
    kind: 'NotReplaced',
    message: `pod ${name} in ${namespace} has no controller: nothing makes it anew`,
  }));
}

function words(workload: string): string {
  return workload.replace('/', ' ');
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
