import type { AgentFault, Fault } from '../faults/fault.js';
import { faults } from '../faults/index.js';
import type { KubeObject } from '../kubernetes/resource.js';
import { compileSchema, type JsonSchema } from '../sandbox/schema/index.js';
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
  // As the API server will store it: with defaults.
  const { object } = compileSchema(fault.schema.json as JsonSchema).apply(params);
  const plan = fault.plan(object, abilities);
  return 'refusal' in plan ? plan.refusal : undefined;
}
