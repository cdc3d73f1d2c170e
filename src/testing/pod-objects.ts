import type { KubeObject } from '../kubernetes/resource.js';

/**
 * A pod that runs, as the API server has it.
 * @param containers ids of its containers by name
 */
export function runningPod(
  uid: string,
  podIPs: readonly string[],
  containers: Readonly<Record<string, string>> = {},
): KubeObject {
  const containerStatuses = Object.entries(containers).map(([name, id]) => ({
    name,
    containerID: `containerd://${id}`,
  }));
  return {
    metadata: { namespace: 'shop', name: 'cart', uid },
    spec: { containers: containerStatuses.map(({ name }) => ({ name })) },
    status: { phase: 'Running', podIPs: podIPs.map((ip) => ({ ip })), containerStatuses },
  };
}
