import type { Json, KubeObject } from '../store/types.js';
import { controllerOf } from './objects.js';

/** What the pods of a node ask for together; processors in cores, memory in bytes. */
export interface NodeUsage {
  cpu: number;
  memory: number;
  pods: number;
  /** How many of the pods each controller has, by its uid. */
  siblings: Map<string, number>;
}

/** An amount of both resources the scheduler counts: cores and bytes. */
export interface Amount {
  cpu: number;
  memory: number;
}

const suffixes: Record<string, number> = {
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** The number a Kubernetes quantity such as `250m` or `1Gi` stands for; 0 when it is none. */
export function parseQuantity(quantity: unknown): number {
  const match = /^([0-9.]+(?:[eE][+-]?\d+)?)([a-zA-Z]*)$/.exec(String(quantity ?? '0'));
  return match === null ? 0 : Number(match[1]) * (suffixes[match[2]!] ?? 0);
}

/** The usage of a node without pods. */
export function createUsage(): NodeUsage {
  return { cpu: 0, memory: 0, pods: 0, siblings: new Map() };
}

/** What the scheduler reserves for a pod: the sum of its containers, or the largest init container if that is more. */
export function podRequests(pod: KubeObject): Amount {
  const main = (pod.spec.containers ?? []).map(containerRequests);
  const init = (pod.spec.initContainers ?? []).map(containerRequests);
  const combine = (field: keyof Amount): number =>
    Math.max(
      main.reduce((sum: number, amount: Amount) => sum + amount[field], 0),
      ...init.map((amount: Amount) => amount[field]),
    );
  return { cpu: combine('cpu'), memory: combine('memory') };
}

function containerRequests(container: Json): Amount {
  const requests = container.resources?.requests ?? {};
  return { cpu: parseQuantity(requests.cpu), memory: parseQuantity(requests.memory) };
}

/** Counts a pod in. */
export function addPod(usage: NodeUsage, pod: KubeObject): void {
  change(usage, pod, 1);
}

/** Counts a pod out. */
export function removePod(usage: NodeUsage, pod: KubeObject): void {
  change(usage, pod, -1);
}

function change(usage: NodeUsage, pod: KubeObject, sign: 1 | -1): void {
  const { cpu, memory } = podRequests(pod);
  usage.cpu += sign * cpu;
  usage.memory += sign * memory;
  usage.pods += sign;
  const controller = controllerOf(pod)?.uid;
  if (controller !== undefined) {
    usage.siblings.set(controller, (usage.siblings.get(controller) ?? 0) + sign);
  }
}

// Stored objects never change, so what was read from one holds for as long as it lives.
const capacities = new WeakMap<KubeObject, Amount & { pods: number }>();

/** What pods may use of a node. */
export function capacityOf(node: KubeObject): Amount & { pods: number } {
  const known = capacities.get(node);
  if (known !== undefined) {
    return known;
  }
  const { cpu, memory, pods } = node.status?.allocatable ?? {};
  const capacity = { cpu: parseQuantity(cpu), memory: parseQuantity(memory), pods: parseQuantity(pods) };
  capacities.set(node, capacity);
  return capacity;
}

/** Why a node has no room for a pod, in the words of the real scheduler; undefined when it has. */
export function fits(node: KubeObject, usage: NodeUsage, requests: Amount): string | undefined {
  const capacity = capacityOf(node);
  if (usage.pods + 1 > capacity.pods) {
    return 'Too many pods';
  }
  if (requests.cpu > 0 && usage.cpu + requests.cpu > capacity.cpu + 1e-9) {
    return 'Insufficient cpu';
  }
  if (requests.memory > 0 && usage.memory + requests.memory > capacity.memory) {
    return 'Insufficient memory';
  }
  return undefined;
}
