import type { Step } from '../../api/experiment.js';
import {
  AGENT_LEASE_PREFIX,
  ANNOTATION_ABILITIES,
  ANNOTATION_AGENT_HINT,
  ANNOTATION_NODE,
  LABEL_PART_OF,
  PART_OF,
} from '../../api/labels.js';
import { nodeMark } from '../../api/node-mark.js';
import { plansFor } from '../../controller/agent-plans.js';
import { securityRefusal } from '../../controller/node-reader.js';
import type { NodeFacts } from '../../domain/observed.js';
import { abilities } from '../../faults/abilities.js';
import type { KubeObject } from '../../kubernetes/resource.js';
import type { Contents } from './contents.js';
import { controllerPod } from './controller-pod.js';

const allAbilities = JSON.stringify(Object.fromEntries(abilities.map((ability) => [ability, ''])));

/** What the Leases of agents say, in a cluster that was read. */
export class PlanAgents {
  readonly #leases: ReadonlyMap<string, KubeObject>;
  /** Where it is not known which agents there are, each node is taken to have one that can do everything. */
  readonly #isGuessed: boolean;

  constructor(readonly contents: Contents) {
    this.#isGuessed = contents.lacks('leases') !== undefined;
    const leases = contents.list('leases').filter(({ metadata }) => metadata.name?.startsWith(AGENT_LEASE_PREFIX));
    this.#leases = new Map(leases.map((lease) => [lease.metadata.name ?? '', lease]));
  }

  /** What the agent of a node says it can do, as it stands on its Lease; `''`: there is none. */
  abilities(node: string): string {
    if (this.#isGuessed) return allAbilities;
    return this.#leaseOf(node)?.metadata.annotations?.[ANNOTATION_ABILITIES] ?? '';
  }

  /** What a run in this namespace would know of the nodes, by their names. */
  factsFor(method: readonly Step[], namespace: string): Map<string, NodeFacts> {
    const { readAt } = this.contents;
    const noSidecars = this.#noSidecars(namespace);
    const facts = new Map<string, NodeFacts>();
    const nodes = new Map(this.contents.list('nodes').map((node) => [node.metadata.name ?? '', node]));
    const named = new Set([...nodes.keys(), ...this.contents.list('pods').map(({ spec }) => spec?.nodeName ?? '')]);
    for (const name of named) {
      const renewedAt = this.#isGuessed ? readAt : Date.parse(this.#leaseOf(name)?.spec?.renewTime ?? '');
      const hint = nodes.get(name)?.metadata.annotations?.[ANNOTATION_AGENT_HINT];
      facts.set(name, {
        readAt,
        ...(Number.isFinite(renewedAt) ? { renewedAt } : hint !== undefined && { hint }),
        ...plansFor(method, Number.isFinite(renewedAt) ? this.abilities(name) : '', noSidecars),
      });
    }
    return facts;
  }

  /** Two long names may have one mark. */
  #leaseOf(node: string): KubeObject | undefined {
    const lease = this.#leases.get(`${AGENT_LEASE_PREFIX}${nodeMark(node)}`);
    return (lease?.metadata.annotations?.[ANNOTATION_NODE] ?? node) === node ? lease : undefined;
  }

  /** Why there can be no sidecars in a namespace, in words; undefined: there can. */
  #noSidecars(namespace: string): string | undefined {
    const found = this.contents.list('namespaces').find(({ metadata }) => metadata.name === namespace);
    const refusal = securityRefusal(namespace, found?.metadata.labels);
    if (refusal !== undefined) return refusal;
    const isInstalled = controllerPod(this.contents) !== undefined || this.#hasControllerDeployment();
    // A controller outside of the cluster knows their image where it also knows agents: in an embedded cluster.
    if (isInstalled || this.#leases.size > 0) return undefined;
    return 'no controller of the cluster could start one';
  }

  #hasControllerDeployment(): boolean {
    const own = this.contents.in('deployments', this.contents.systemNamespace);
    return own.some(({ metadata }) => metadata.labels?.[LABEL_PART_OF] === PART_OF);
  }
}
