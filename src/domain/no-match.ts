import { selectorText } from '../api/selector.js';
import type { Targets } from '../api/targets.js';

/** Says what was looked for in vain, so that a typo in a name or label is seen. `namespace` is that of the run. */
export function noMatch({ pods, nodes, zones, workloads }: Targets, namespace: string): string {
  const where = `in namespace '${namespace}'`;
  if (nodes) return named('node', 'in the cluster', nodes);
  if (zones?.names) return `in the cluster no node is in zone ${either(zones.names)}`;
  if (zones) return 'in the cluster no node has the label topology.kubernetes.io/zone';
  if (workloads) return named(workloads.kind, where, workloads);
  const there = pods?.zones ? `${where} and zone ${either(pods.zones)}` : where;
  if (pods?.workload) return `${there} there is no ${pods.workload.kind} '${pods.workload.name}', or it has no pods`;
  return named('pod', there, pods ?? {});
}

function named(
  what: string,
  where: string,
  { names, selector }: { names?: string[]; selector?: Parameters<typeof selectorText>[0] },
): string {
  if (names) return `${where} there is no ${what} named ${either(names)}`;
  return `its targets match no ${what}: ${where} none has the labels ${selectorText(selector ?? {})}`;
}

function either(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(' or ');
}
