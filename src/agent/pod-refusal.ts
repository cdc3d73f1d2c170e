import { podIPsOf } from '../kubernetes/pod.js';
import type { KubeObject } from '../kubernetes/resource.js';
import type { PodProcess } from './processes.js';

/** Programs that run a whole pod in a virtual machine or a kernel of their own: Kata Containers and gVisor. */
const sandboxes = /^(qemu-system|qemu-kvm|cloud-hypervis|firecracker|dragonball|stratovirt|virtiofsd|runsc|exe$)/;

/** Why an agent must not touch a pod, by what the API server knows of it; undefined when it may. */
export function refusalBySpec({ metadata, spec, status }: KubeObject): string | undefined {
  const name = `${metadata.namespace}/${metadata.name}`;
  if (spec?.hostNetwork === true) {
    return `${name} runs in the node's own network (hostNetwork): a fault there would hit the whole node`;
  }
  const source = metadata.annotations?.['kubernetes.io/config.source'] ?? 'api';
  const isMirror = metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined;
  const isOfNode = metadata.ownerReferences?.some(({ kind }) => kind === 'Node') === true;
  if (source !== 'api' || isMirror || isOfNode) {
    return `${name} is a static pod of its node, which the API server only mirrors: its processes can't be told by its uid`;
  }
  if (podIPsOf({ metadata, status }).length === 0) return `${name} has no address yet (status.podIPs)`;
  return undefined;
}

/**
 * Why a pod's processes can't be reached though some are there: its containers run in a virtual machine or on a kernel of
 * their own, and what is on the node only carries them. Undefined when a container's own process, or the pause process
 * of an ordinary runtime, is on the node.
 * @param containerOf the name of the container a process is in, as far as the API server knows it
 */
export function refusalBySandbox(
  { metadata, spec }: KubeObject,
  found: readonly PodProcess[],
  containerOf: (found: PodProcess) => string | undefined,
): string | undefined {
  const carrier = found.find(({ name }) => sandboxes.test(name));
  const runtimeClass: string | undefined = spec?.runtimeClassName;
  if (!carrier && !runtimeClass) return undefined;
  const isOrdinary = found.some((one) => one.name === 'pause' || containerOf(one) !== undefined);
  if (isOrdinary) return undefined;
  const seen = [
    ...(runtimeClass ? [`runtimeClassName ${runtimeClass}`] : []),
    ...(carrier ? [`only ${carrier.name} of it runs on the node`] : []),
  ];
  return `${metadata.namespace}/${metadata.name} seems to run in a sandbox such as Kata Containers or gVisor (${seen.join(', ')}), into which an agent of the node can't reach; its sidecar may (agent: Sidecar)`;
}
