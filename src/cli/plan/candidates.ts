import { selects } from '../../api/selector.js';
import type { Targets } from '../../api/targets.js';
import { isScaledBy } from '../../controller/api-steps/objects.js';
import { projectNode } from '../../controller/candidates/node-targets.js';
import { projectWorkload } from '../../controller/candidates/workload-targets.js';
import { type KnownPod, projectPod } from '../../controller/projections.js';
import type { Candidate } from '../../domain/observed.js';
import type { KubeObject } from '../../kubernetes/resource.js';
import type { Contents } from './contents.js';
import { controllerNode } from './controller-pod.js';
import { Owners, workloadKindNames } from './owners.js';

/** With so many others that are Ready it makes no difference how many more there are. */
const MOST_SPARES = 100;

/** What the targets of steps name in a cluster that was read, with the same projections as the controller's. */
export class PlanCandidates {
  readonly #pods: { object: KubeObject; candidate: KnownPod }[];
  readonly #nodes: Candidate[];
  readonly #owners: Owners;

  constructor(readonly contents: Contents) {
    const ownNode = controllerNode(contents);
    this.#nodes = contents.list('nodes').map((node) => projectNode(node, ownNode));
    this.#pods = contents.list('pods').map((object) => ({ object, candidate: projectPod(object) }));
    this.#owners = new Owners(contents);
  }

  /** What a step of a run in this namespace may be put on. */
  of(targets: Targets, namespace: string): Candidate[] {
    if (targets.pods) return this.#podsOf(targets.pods, namespace);
    if (targets.nodes) return this.#nodesOf(targets.nodes);
    if (targets.zones) return this.#nodesOfZones(targets.zones);
    return targets.workloads ? this.#workloadsOf(targets.workloads, namespace) : [];
  }

  /** The names of nodes that could take pods and are not meant by the targets; see `RunObserved.spareNodes`. */
  spareNodes(targets: Targets): string[] {
    if (targets.zones === undefined && (targets.nodes === undefined || targets.nodes.names !== undefined)) return [];
    const meant = new Set(this.of(targets, '').map(({ name }) => name));
    return this.#nodes
      .filter(({ name, ready, unschedulable }) => ready && !unschedulable && !meant.has(name))
      .map(({ name }) => name)
      .slice(0, MOST_SPARES);
  }

  #podsOf({ selector, names, workload, zones }: NonNullable<Targets['pods']>, namespace: string): Candidate[] {
    const inZones = new Set(zones && this.#nodesOfZones({ names: zones }).map(({ name }) => name));
    const own = this.#pods.filter(
      ({ candidate }) => candidate.namespace === namespace && (!zones || inZones.has(candidate.node)),
    );
    const isMeant = ({ object, candidate }: (typeof own)[number]) => {
      if (names) return names.includes(candidate.name);
      if (selector) return selects(selector, candidate.labels);
      const name = `${workload?.kind}/${workload?.name}`;
      return this.#owners.chainOf(object).some((each) => each.name === name);
    };
    return own.filter(isMeant).map(({ candidate }) => candidate);
  }

  #nodesOf({ selector, names }: NonNullable<Targets['nodes']>): Candidate[] {
    return this.#nodes.filter(({ name, labels }) => (names ? names.includes(name) : selects(selector ?? {}, labels)));
  }

  #nodesOfZones({ names }: NonNullable<Targets['zones']>): Candidate[] {
    return this.#nodes.filter(({ zone }) => zone !== undefined && (!names || names.includes(zone)));
  }

  #workloadsOf({ kind, selector, names }: NonNullable<Targets['workloads']>, namespace: string): Candidate[] {
    const autoscalers = this.contents.in('autoscalers', namespace);
    return this.contents
      .in(workloadKindNames[kind], namespace)
      .map((object) => projectWorkload(object, kind))
      .filter(({ name, labels }) => (names ? names.includes(name) : selects(selector ?? {}, labels)))
      .map((candidate) => {
        const isScaled = autoscalers.some(({ spec }) => isScaledBy({ kind, name: candidate.name }, spec));
        return isScaled && kind !== 'DaemonSet' ? { ...candidate, autoscaled: true } : candidate;
      });
  }
}
