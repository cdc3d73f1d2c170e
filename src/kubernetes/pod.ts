import type { Json, KubeObject } from './resource.js';

/** `status.podIPs`, or `status.podIP` where only that is there. */
export function podIPsOf({ status }: KubeObject): string[] {
  const all: { ip?: string }[] = status?.podIPs ?? [{ ip: status?.podIP }];
  return all.flatMap(({ ip }) => (ip ? [ip] : []));
}

/** `status.hostIPs`, or `status.hostIP` where only that is there: the addresses of the pod's node. */
export function hostIPsOf({ status }: KubeObject): string[] {
  const all: { ip?: string }[] = status?.hostIPs ?? [{ ip: status?.hostIP }];
  return all.flatMap(({ ip }) => (ip ? [ip] : []));
}

/** The ports of the pod that the kubelet connects to, in ascending order. */
export function kubeletProbePorts({ spec }: KubeObject): number[] {
  // A probe of an init container runs for as long as the pod when it is a sidecar.
  const containers: Json[] = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])];
  const found = containers.flatMap((container) =>
    ['livenessProbe', 'readinessProbe', 'startupProbe'].flatMap((kind) => probePort(container, container[kind])),
  );
  return [...new Set(found)].sort((a, b) => a - b);
}

function probePort(container: Json, probe: Json): number[] {
  // One that names a host goes there and not to the pod.
  const target = [probe?.httpGet, probe?.tcpSocket, probe?.grpc].find((one) => one && !one.host);
  if (!target) return [];
  if (typeof target.port === 'number') return [target.port];
  const named = (container.ports ?? []).find(({ name }: Json) => name === target.port);
  const port = named?.containerPort ?? Number(target.port);
  return Number.isInteger(port) ? [port] : [];
}
