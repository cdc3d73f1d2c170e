import { createHash } from 'node:crypto';
import type { Step } from '../api/experiment.js';
import type { ExperimentRun } from '../api/experiment-run.js';
import { type Agent, MAX_TARGETS_PER_INJECTION, type Target } from '../api/injection.js';
import { nodeMark } from '../api/node-mark.js';
import type { Carried } from './agents.js';
import type { Candidate, NewInjection, StepFacts } from './observed.js';

/** Which part of a round an injection holds, and where. */
export interface Part {
  round: number;
  part: number;
  /** Undefined: it is carried out through the API server. */
  node?: string;
}

/**
 * The name of an injection. All injections live in one namespace while runs of equal name may exist in two, so a few
 * characters of the run's UID stand at the end. With the longest names of all it has 185 characters.
 */
export function injectionName(run: ExperimentRun, step: string, { round, part, node }: Part): string {
  const mark = createHash('sha256').update(run.metadata.uid).digest('hex').slice(0, 6);
  const place = node === undefined ? 'api' : nodeMark(node);
  return `${run.metadata.name}-${step}-${place}-${round}-${part}-${mark}`;
}

interface Group {
  agent?: Agent;
  node?: string;
  bootId?: string;
  pods: Candidate[];
}

/** Those on one node that have the same kind of agent belong together, at most as many as an injection holds. */
function groups(carried: readonly Carried[]): Group[] {
  const open = new Map<string, Group>();
  const all: Group[] = [];
  for (const { pod, agent, bootId } of carried) {
    const key = agent === undefined ? '' : `${agent}/${bootId ?? ''}/${pod.node}`;
    let group = open.get(key);
    if (!group || group.pods.length === MAX_TARGETS_PER_INJECTION) {
      group = { ...(agent && { agent, node: pod.node, ...(bootId !== undefined && { bootId }) }), pods: [] };
      open.set(key, group);
      all.push(group);
    }
    group.pods.push(pod);
  }
  return all;
}

/**
 * The injections that put a step's fault on these pods, each for one node and kind of agent, in parts of at most 100.
 * Parts are counted over the whole round, so that a missing one is noticed.
 */
export function injectionsFor(
  run: ExperimentRun,
  step: Step,
  { fault, oneShot, by }: StepFacts,
  round: number,
  carried: readonly Carried[],
): NewInjection[] {
  const params = (step as unknown as Record<string, unknown>)[fault];
  const { duration, onDrift } = step;
  const ofAgents = by === 'Agent' ? { ...(duration && { duration }), ...(onDrift && { onDrift }) } : {};
  return groups(carried).map(({ pods, ...place }, part, all) => ({
    name: injectionName(run, step.name, { round, part, ...(place.node !== undefined && { node: place.node }) }),
    held: !oneShot,
    spec: {
      run: { namespace: run.metadata.namespace ?? '', name: run.metadata.name, uid: run.metadata.uid },
      step: step.name,
      ...place,
      ...ofAgents,
      round,
      part,
      parts: all.length,
      state: 'Pending',
      targets: pods.map(asTarget),
      [fault]: params,
    },
  }));
}

/** A candidate as the target of an injection. */
export function asTarget({ kind, namespace, name, uid, node, zone, workload }: Candidate): Target {
  return {
    ...(kind && { kind }),
    namespace,
    name,
    uid,
    ...(node !== '' && { node }),
    ...(zone !== undefined && { zone }),
    ...(workload !== undefined && { workload }),
  };
}
