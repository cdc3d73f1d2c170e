import { isIP } from 'node:net';
import type { Json, KubeObject } from '../kubernetes/resource.js';
import type { Inputs } from './handler.js';
import type { RunProgram } from './place.js';

/** The network namespace of the node, for an agent that shares the node's processes. */
const NODE_NETWORK = '/proc/1/ns/net';

/**
 * Where the kubelet's probes of a pod come from and which ports they go to. The kubelet sends them from the address that
 * the node's route to the pod prefers, which is often a bridge and not the node's own address.
 * @throws Error when the node's routes can't be read: then nobody may hit the pod's probes unknowingly
 */
export async function kubeletExemptions(
  pod: KubeObject,
  podIPs: readonly string[],
  run: RunProgram,
): Promise<Inputs['exempt']> {
  const ports = probePorts(pod);
  if (ports.length === 0) return [];
  const sources = await Promise.all(podIPs.map((address) => sourceTo(address, run)));
  const froms = [...new Set(sources.filter((source) => source !== undefined))];
  return froms.flatMap((from) => ports.map((port) => ({ from, port })));
}

async function sourceTo(podIP: string, run: RunProgram): Promise<string | undefined> {
  if (isIP(podIP) === 0) throw new Error(`the pod's address '${podIP}' is none`);
  const { code, stdout, stderr } = await run('nsenter', [`--net=${NODE_NETWORK}`, 'ip', '-j', 'route', 'get', podIP]);
  // 2: the kernel said no, such as when the node has no route of that family; then no probe takes it either.
  if (code === 2) return undefined;
  if (code !== 0) throw new Error(`the node's route to ${podIP} could not be read: ${stderr.trim().slice(0, 200)}`);
  const [route]: Json[] = JSON.parse(stdout);
  return typeof route?.prefsrc === 'string' ? route.prefsrc : undefined;
}

/** The ports of the pod that the kubelet connects to, in ascending order. */
export function probePorts({ spec }: KubeObject): number[] {
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
