import type { ExperimentSpec, Step } from '../../api/experiment.js';
import { GROUP } from '../../api/labels.js';
import { targetKindOf } from '../../api/targets.js';
import { withCompanions } from '../../faults/companions.js';
import type { Need } from '../../faults/fault.js';
import { faultOf } from '../../faults/index.js';
import type { Resource } from '../../kubernetes/resource.js';
import { probeOf } from '../../probes/index.js';
import type { Reading } from '../../probes/probe.js';

/** Something that a service account must be allowed to do. */
export interface Right {
  verb: string;
  /** `''` for the core group. */
  group: string;
  /** The plural, such as `pods`. */
  resource: string;
  subresource?: string;
  /** Only on the object of this name; undefined: on any. */
  name?: string;
  /** Undefined: in all namespaces, or on what has none. */
  namespace?: string;
  /** What it is needed for, such as `step 'lose-half'`. */
  why: string;
}

/** Where the cluster serves a kind; undefined: it does not. */
export type Served = (reading: Reading) => Pick<Resource, 'group' | 'plural' | 'namespaced'> | undefined;

/** What the `resource` probes and their like of an experiment read, each with the name of its probe. */
export function readingsOf({ hypothesis = [] }: ExperimentSpec): (Reading & { probe: string })[] {
  return hypothesis.flatMap((entry) => {
    const { probe, spec } = probeOf(entry);
    return (probe.reads?.(spec) ?? []).map((reading) => ({ ...reading, probe: entry.name }));
  });
}

/**
 * All that the service account of an experiment must be allowed to do in the API server's eyes, each right once: what
 * its faults do, and what its probes read. Kinds that the cluster does not serve are left out.
 *
 * @param namespace of the run
 */
export function rightsOf(spec: ExperimentSpec, namespace: string, served: Served): Right[] {
  const wanted = [
    ...withCompanions(spec.method).flatMap((step) => stepRights(step, namespace)),
    ...readingsOf(spec).flatMap((reading) => readingRights(reading, namespace, served(reading))),
  ];
  const distinct = new Map<string, Right>();
  for (const right of wanted) {
    const known = distinct.get(keyOf(right));
    if (!known) distinct.set(keyOf(right), right);
    else if (!known.why.split(', ').includes(right.why))
      distinct.set(keyOf(right), { ...known, why: `${known.why}, ${right.why}` });
  }
  return [...distinct.values()];
}

function keyOf({ why: _why, ...right }: Right): string {
  return JSON.stringify([right.verb, right.group, right.resource, right.subresource, right.name, right.namespace]);
}

/** An agent acts in the pods of the run's namespace; RBAC knows no verb for that but one of our own. */
function stepRights(step: Step, namespace: string): Right[] {
  const { fault, params } = faultOf(step);
  const why = `step '${step.name}'`;
  if (fault.by === 'Agent')
    return [{ verb: 'inject', group: GROUP, resource: 'faults', name: fault.name, namespace, why }];
  const kind = targetKindOf(step.targets);
  const { kind: workload, names } = { kind: undefined, ...step.targets[kind] } as TargetNames;
  const hit = workload === undefined ? kind : pluralOf(workload);
  // What is done to a node is done to the pods of every namespace that are there.
  const isLocal = kind === 'pods' || kind === 'workloads';
  const needs = fault.needs.filter(
    ({ group, resource, when }) =>
      // A fault for workloads needs rights on all kinds it can be put on; a step is about one of them.
      (when?.(params) ?? true) && (workload === undefined || group !== 'apps' || resource.split('/')[0] === hit),
  );
  return needs.flatMap((need) =>
    (need.resource === hit && names ? names : [undefined]).flatMap((name) =>
      needRights(need, { name, namespace: isLocal ? namespace : undefined, why }),
    ),
  );
}

interface TargetNames {
  /** Of workloads. */
  kind: string | undefined;
  /** Nothing but these is hit. */
  names?: readonly string[];
}

function pluralOf(workload: string): string {
  return `${workload.toLowerCase()}s`;
}

function needRights(
  { group, resource: path, verbs }: Need,
  { name, namespace, why }: { name: string | undefined; namespace: string | undefined; why: string },
): Right[] {
  const [resource = '', subresource] = path.split('/');
  const isOfCluster = group === '' && resource === 'nodes';
  return verbs.map((verb) => ({
    verb,
    group,
    resource,
    ...(subresource !== undefined && { subresource }),
    ...(name !== undefined && { name }),
    // A Role can't grant what has no namespace, and must not seem to.
    ...(namespace !== undefined && !isOfCluster && { namespace }),
    why,
  }));
}

function readingRights(
  { name, probe }: Reading & { probe: string },
  namespace: string,
  served: ReturnType<Served>,
): Right[] {
  if (!served) return [];
  return [
    {
      verb: name === undefined ? 'list' : 'get',
      group: served.group,
      resource: served.plural,
      ...(name !== undefined && { name }),
      ...(served.namespaced && { namespace }),
      why: `probe '${probe}'`,
    },
  ];
}

/** A right in the words of kubectl: `delete pods in namespace shop`, `get deployments.apps/checkout in namespace shop`. */
export function rightText({ verb, group, resource, subresource, name, namespace }: Right): string {
  const kind = `${resource}${group && `.${group}`}${subresource ? `/${subresource}` : ''}`;
  const what = name === undefined ? kind : `${kind} '${name}'`;
  if (namespace !== undefined) return `${verb} ${what} in namespace ${namespace}`;
  return group === '' && resource === 'nodes' ? `${verb} ${what}` : `${verb} ${what} in the whole cluster`;
}
