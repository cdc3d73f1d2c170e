import type { AgentFault, Fault } from '../faults/fault.js';
import { faults } from '../faults/index.js';
import type { KubeObject } from '../kubernetes/resource.js';
import type { LocalCluster } from './local-cluster.js';

/** Why a run can't be carried out in an embedded cluster, in words for people; undefined when it can. */
export function notHere(run: KubeObject, local: LocalCluster): string | undefined {
  const steps: Record<string, unknown>[] = run.spec?.template?.method ?? [];
  return steps
    .flatMap((step) => faults.filter(isAgentFault).map((fault) => refusalOf(fault, step[fault.name], local)))
    .find((refusal) => refusal !== undefined);
}

function isAgentFault(fault: Fault): fault is AgentFault {
  return fault.by === 'Agent';
}

function refusalOf(fault: AgentFault, params: unknown, { abilities, cluster }: LocalCluster): string | undefined {
  if (params === undefined) return undefined;
  if (abilities === undefined) return `pods have no network namespaces here: ${cluster.loopbackReason}`;
  const plan = fault.plan(params, abilities);
  return 'refusal' in plan ? plan.refusal : undefined;
}
