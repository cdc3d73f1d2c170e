import type { Step } from '../../api/experiment.js';
import { parseAbilities, sidecarAbilities } from '../../controller/agent-plans.js';
import { projectNodePod } from '../../controller/api-steps/node-pods.js';
import type { Protection } from '../../controller/safeguards/protection.js';
import { planDrain } from '../../domain/drain.js';
import { asTarget } from '../../domain/naming.js';
import type { Effect } from '../../domain/plan/effect.js';
import type { Drawn, StepDraw } from '../../domain/plan/foresee.js';
import { isDisruptive } from '../../faults/fault.js';
import { faultOf } from '../../faults/index.js';
import type { EmptyNode, Step as FaultStep, SetFields } from '../../faults/step.js';
import { keyOf } from '../../kubernetes/resource.js';
import { parseDuration } from '../../stats/duration.js';
import type { PlanAgents } from './agents.js';
import type { Contents } from './contents.js';

/** What would be done to one target, or why nothing can be. */
export type TargetSteps = { steps: FaultStep[] } | { refusal: string };

/** The steps of a fault on one target: the same that controller or agent would carry out. */
export function stepsFor(step: Step, { candidate, agent }: Drawn, agents: PlanAgents): TargetSteps {
  const { fault, params } = faultOf(step);
  if (fault.by === 'ApiServer') return { steps: fault.apply(params, asTarget(candidate)) };
  if (agent === undefined) return { refusal: 'nobody can put it on' };
  const text = agents.abilities(candidate.node);
  return fault.plan(params, agent === 'Sidecar' ? sidecarAbilities(text) : parseAbilities(text));
}

/** What the steps on all targets of a step do to the cluster, as far as that can be foretold. */
export function effectsOf(
  step: Step,
  drawn: StepDraw,
  plans: readonly TargetSteps[],
  surroundings: Surroundings,
): Effect[] {
  const { fault, params } = faultOf(step);
  const later = drawn.later.map((candidate) => ({ candidate }));
  if (fault.by === 'ApiServer') {
    const steps = [
      ...plans.flatMap((plan) => ('steps' in plan ? plan.steps : [])),
      ...later.flatMap(({ candidate }) => fault.apply(params, asTarget(candidate))),
    ];
    return steps.flatMap((each) => effectsOfApi(each, step, surroundings));
  }
  if (!isDisruptive(fault, params)) return [];
  const uids = [...drawn.targets, ...later].map(({ candidate }) => candidate.uid);
  return [{ on: 'pods', uids, how: 'outOfService' }];
}

/** What effects depend on beside the step. */
export interface Surroundings {
  contents: Contents;
  /** Says of what is in a namespace whether it must not be hit. */
  protectionIn: (namespace: string) => Pick<Protection, 'against'>;
}

function effectsOfApi(action: FaultStep, step: Step, surroundings: Surroundings): Effect[] {
  switch (action.do) {
    case 'deletePod':
      return [{ on: 'pods', uids: [action.uid], how: 'deleted' }];
    case 'emptyNode':
      return [emptied(action, surroundings)];
    case 'setFields':
      return fieldEffects(action, parseDuration(step.duration ?? '0s') / 1_000);
    default:
      return [];
  }
}

function emptied(action: EmptyNode, surroundings: Surroundings): Effect {
  const plan = drainOf(action, surroundings);
  const going = plan.refusal === undefined ? plan.going : [];
  const uids = going.filter(({ terminating }) => !terminating).map(({ uid }) => uid);
  const how = action.by === 'Evict' ? 'evicted' : 'deleted';
  return { on: 'pods', uids, how, ...(action.budget === 'Expect' && { expectsBudget: true as const }) };
}

/** Which pods of a node would go, and why none may. */
export function drainOf({ node, unmanaged, emptyDirData }: EmptyNode, { contents, protectionIn }: Surroundings) {
  const pods = contents.list('pods').filter(({ spec }) => spec?.nodeName === node);
  const daemonSets = new Set(
    contents.list('daemonSets').map(({ metadata }) => keyOf(metadata.namespace, metadata.name ?? '')),
  );
  const projected = pods.map((object) => {
    const pod = projectNodePod(object, () => false);
    return protectionIn(pod.namespace).against(pod) === undefined ? pod : { ...pod, protected: true };
  });
  return planDrain(projected, { unmanaged, emptyDirData, daemonSets });
}

function fieldEffects({ object: { kind, namespace, name }, changes }: SetFields, seconds: number): Effect[] {
  return changes.flatMap((change): Effect[] => {
    switch (change.field) {
      case 'unschedulable':
        return [{ on: 'node', name, unschedulable: change.to, seconds }];
      case 'taint': {
        const { key, effect, value } = change;
        return [{ on: 'node', name, taints: [{ key, effect, ...(value !== undefined && { value }) }], seconds }];
      }
      case 'replicas':
        return [{ on: 'workload', namespace, workload: `${kind}/${name}`, to: change.to }];
      case 'restartedAt':
        return [{ on: 'workload', namespace, workload: `${kind}/${name}` }];
      default:
        return [];
    }
  });
}
