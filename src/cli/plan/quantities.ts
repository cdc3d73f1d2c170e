import { parseQuantity } from '../../cel/quantity.js';
import type { Amounts } from '../../domain/plan/cluster.js';
import type { Json } from '../../kubernetes/resource.js';

const NANOS = 1e9;

/** The amounts of a list of resources such as `{ cpu: 250m, memory: 1Gi }`; what is no quantity counts as nothing. */
export function amountsOf(resources: Json): Amounts {
  return Object.fromEntries(
    Object.entries(resources ?? {}).map(([name, quantity]) => [name, numberOf(quantity)] as const),
  );
}

function numberOf(quantity: unknown): number {
  try {
    return Number(parseQuantity(String(quantity)).nanos) / NANOS;
  } catch {
    return 0;
  }
}

/**
 * What kube-scheduler reserves for a pod: its containers and sidecars together, or the most that is needed while one of its
 * init containers runs; for the pod as a whole where that is given (KEP-2837); and its overhead.
 */
export function requestsOf(spec: Json): Amounts {
  const init: Json[] = spec?.initContainers ?? [];
  let sidecars: Amounts = {};
  let needed: Amounts = {};
  for (const { resources, restartPolicy } of init) {
    const own = amountsOf(resources?.requests);
    needed = combined(needed, combined(sidecars, own, sum), Math.max);
    if (restartPolicy === 'Always') sidecars = combined(sidecars, own, sum);
  }
  const containers: Json[] = spec?.containers ?? [];
  const running = containers.reduce(
    (total: Amounts, { resources }: Json) => combined(total, amountsOf(resources?.requests), sum),
    sidecars,
  );
  const all = { ...combined(running, needed, Math.max), ...amountsOf(spec?.resources?.requests) };
  return combined(all, amountsOf(spec?.overhead), sum);
}

const sum = (a: number, b: number) => a + b;

function combined(left: Amounts, right: Amounts, by: (a: number, b: number) => number): Amounts {
  const names = new Set([...Object.keys(left), ...Object.keys(right)]);
  return Object.fromEntries([...names].map((name) => [name, by(left[name] ?? 0, right[name] ?? 0)]));
}
