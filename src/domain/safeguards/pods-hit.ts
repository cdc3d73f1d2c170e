import type { Target } from '../../api/injection.js';
import type { SurveyedPod } from '../survey.js';
import type { SafetyFacts, SafetyInput } from './input.js';

/** A pod that a fault reaches. */
export type PodHit = Pick<SurveyedPod, 'uid' | 'namespace' | 'workload' | 'ready'>;

/** Says which pods a fault on a target reaches. */
export class PodIndex {
  readonly #byUid = new Map<string, SurveyedPod>();
  readonly #byNode = new Map<string, SurveyedPod[]>();
  readonly #byWorkload = new Map<string, SurveyedPod[]>();
  readonly #replicas: ReadonlyMap<string, number>;

  constructor({ pods, workloads }: Pick<SafetyInput, 'pods' | 'workloads'>) {
    for (const pod of pods) {
      this.#byUid.set(pod.uid, pod);
      // Those of DaemonSets stay where they are.
      if (!pod.workload?.startsWith('DaemonSet/')) append(this.#byNode, pod.node, pod);
      if (pod.workload !== undefined) append(this.#byWorkload, workloadKey(pod.namespace, pod.workload), pod);
    }
    this.#replicas = new Map(workloads.map((each) => [workloadKey(each.namespace, each.workload), each.replicas]));
  }

  /**
   * The pods that a fault with these facts reaches when it is put on a target. On nodes and workloads those are the ones
   * that it takes away: a rollout takes no more than the workload itself lets it.
   */
  hit(facts: SafetyFacts, target: Target): readonly PodHit[] {
    if (target.kind === undefined || target.kind === 'Pod') {
      return [this.#byUid.get(target.uid) ?? unknown(target)];
    }
    if (!facts.disrupts && !facts.evicts) return [];
    if (target.kind === 'Node') return this.#byNode.get(target.name) ?? [];
    const key = workloadKey(target.namespace, workloadOf(target) ?? '');
    const pods = this.#byWorkload.get(key) ?? [];
    if (!facts.scalesTo) return pods;
    const replicas = this.#replicas.get(key) ?? pods.length;
    const left =
      'count' in facts.scalesTo ? facts.scalesTo.count : Math.floor((replicas * facts.scalesTo.percent) / 100);
    // Which of them will go is not known; that those do which are Ready is the worst.
    const worst = [...pods].sort((a, b) => Number(b.ready) - Number(a.ready));
    return worst.slice(0, Math.max(0, replicas - left));
  }
}

/** The workload that a target belongs to or is, as `Deployment/web`; undefined: none. */
export function workloadOf({ kind, name, workload }: Target): string | undefined {
  if (workload !== undefined) return workload;
  return kind === undefined || kind === 'Pod' || kind === 'Node' ? undefined : `${kind}/${name}`;
}

/** A workload in the accounts, as `shop/Deployment/web`. */
export function workloadKey(namespace: string, workload: string): string {
  return `${namespace}/${workload}`;
}

/** A pod that came after the look counts as one that serves. */
function unknown({ uid, namespace, workload }: Target): PodHit {
  return { uid, namespace, ready: true, ...(workload !== undefined && { workload }) };
}

function append<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const list = lists.get(key);
  if (list) list.push(item);
  else lists.set(key, [item]);
}
