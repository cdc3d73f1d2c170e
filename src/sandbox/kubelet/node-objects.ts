import { readFileSync } from 'node:fs';
import { arch, cpus, release, totalmem } from 'node:os';
import { microTimestamp, setCondition, timestamp } from '../controllers/objects.js';
import type { Json, Store } from '../store/types.js';

const leaseNamespace = 'kube-node-lease';
/** How often a kubelet renews its lease, and after how long without it a node counts as lost (kubelet defaults). */
const renewMilliseconds = 10_000;
const leaseSeconds = 40;
/** Renewals are spread over so many turns, so that 5,000 nodes do not all renew at once. */
const turns = 10;
const zones = 3;
const controlPlaneRole = 'node-role.kubernetes.io/control-plane';

/** The name of the node that is labelled and tainted as one of the control plane. */
export const CONTROL_PLANE_NODE = 'control-plane';

/** A node to register. */
export interface NodeRegistration {
  name: string;
  address: string;
  /** Without processes: it takes as many pods as anybody wants. */
  simulated: boolean;
  /** Why no agent of Squall can work on it; undefined when one can. */
  agentHint: string | undefined;
}

/** Where the controller of Squall looks for what to say about a missing agent. */
const agentHintAnnotation = 'squall.dev/agent-hint';

/** Creates the Node and its lease for each registration and keeps the leases fresh; returns how to stop. */
export function registerNodes(store: Store, registrations: readonly NodeRegistration[]): () => void {
  for (const [index, registration] of registrations.entries()) {
    store.create('nodes', nodeObject(registration, index));
    store.create('leases.coordination.k8s.io', {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: registration.name, namespace: leaseNamespace },
      spec: { holderIdentity: registration.name, leaseDurationSeconds: leaseSeconds, renewTime: microTimestamp() },
    });
  }
  let turn = 0;
  const timer = setInterval(() => {
    for (let index = turn % turns; index < registrations.length; index += turns) {
      renew(store, registrations[index]!.name);
    }
    turn += 1;
  }, renewMilliseconds / turns);
  return () => clearInterval(timer);
}

function renew(store: Store, name: string): void {
  if (store.get('leases.coordination.k8s.io', leaseNamespace, name) === undefined) {
    return;
  }
  store.update('leases.coordination.k8s.io', leaseNamespace, name, (lease) => {
    lease.spec.renewTime = microTimestamp();
  });
}

function nodeObject({ name, address, simulated, agentHint }: NodeRegistration, index: number) {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: {
        'kubernetes.io/hostname': name,
        'kubernetes.io/os': 'linux',
        'kubernetes.io/arch': architecture(),
        'topology.kubernetes.io/region': 'sandbox',
        'topology.kubernetes.io/zone': `z${(index % zones) + 1}`,
        ...(name === CONTROL_PLANE_NODE ? { [controlPlaneRole]: '' } : {}),
      },
      annotations: agentHint === undefined ? undefined : { [agentHintAnnotation]: agentHint },
    },
    spec: name === CONTROL_PLANE_NODE ? { taints: [{ key: controlPlaneRole, effect: 'NoSchedule' }] } : {},
    status: nodeStatus(name, address, simulated),
  };
}

function nodeStatus(name: string, address: string, simulated: boolean): Json {
  const capacity = simulated
    ? { cpu: '10000', memory: '100Ti', pods: '10000' }
    : { cpu: String(Math.max(8, cpus().length)), memory: `${Math.floor(totalmem() / 1024)}Ki`, pods: '110' };
  const status: Json = {
    capacity,
    allocatable: { ...capacity },
    addresses: [
      { type: 'InternalIP', address },
      { type: 'Hostname', address: name },
    ],
    nodeInfo: {
      architecture: architecture(),
      operatingSystem: 'linux',
      osImage: simulated ? 'Squall sandbox (simulated)' : 'Squall sandbox',
      kernelVersion: release(),
      kubeletVersion: 'v1.32.0',
      kubeProxyVersion: 'v1.32.0',
      containerRuntimeVersion: 'process://1',
      bootID: simulated ? '' : bootId(),
      machineID: name,
      systemUUID: name,
    },
  };
  const healthy = { status: 'False' as const, lastHeartbeatTime: timestamp() };
  setCondition(status, { ...healthy, type: 'MemoryPressure', reason: 'KubeletHasSufficientMemory', message: '' });
  setCondition(status, { ...healthy, type: 'DiskPressure', reason: 'KubeletHasNoDiskPressure', message: '' });
  setCondition(status, { ...healthy, type: 'PIDPressure', reason: 'KubeletHasSufficientPID', message: '' });
  const message = 'kubelet is posting ready status';
  setCondition(status, { ...healthy, type: 'Ready', status: 'True', reason: 'KubeletReady', message });
  return status;
}

/** That of the machine, which all nodes are; Squall's agents say the same. */
function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}

function architecture(): string {
  return { x64: 'amd64', arm64: 'arm64' }[arch() as string] ?? arch();
}
