import { SIDECAR_PREFIX } from '../../api/labels.js';
import { decodeOrder, parseReport, type SidecarReport } from '../../faults/sidecar.js';
import { podIPsOf } from '../../kubernetes/pod.js';
import type { Json, KubeObject } from '../../kubernetes/resource.js';

/** Where the program of sidecars is. */
export interface SidecarImage {
  /** The image that Squall itself runs from. */
  image: string;
  /** What starts `squall` in it; left out: its entry point does. */
  command?: readonly string[];
}

/** What a sidecar is there for: to put a fault on and hold it, or to take it back. */
export type SidecarRole = 'hold' | 'revert';

/** A container of ours in a pod, as the kubelet sees it. */
export interface Sidecar {
  name: string;
  /** The order it was given, as an argument. */
  fault: string;
  /** Of its order; without end when that can't be read, and then without addresses. */
  milliseconds: number;
  startBy: number;
  podIPs: readonly string[];
  state: 'Waiting' | 'Running' | 'Ended';
  /** Why it waits or how it ended, in the kubelet's words. */
  words: string;
  /** When it was started, by the node's clock in milliseconds since the epoch; 0 while it is waiting. */
  startedAt: number;
  /** Its termination message. */
  report?: SidecarReport;
}

/** What is to be seen of one fault in a pod. */
export interface SidecarView {
  /** Those that put it on and those that take it back, the oldest first. */
  hold: readonly Sidecar[];
  revert: readonly Sidecar[];
  /** The pod's addresses now. */
  podIPs: readonly string[];
  /** Whether the pod is on its way out. */
  isTerminating: boolean;
  /** Whether the kubelet says that every container has ended for good. */
  hasEnded: boolean;
}

/** The name of a fault's n-th container of a role, from 1. */
export function sidecarName(id: string, role: SidecarRole, n: number): string {
  const parts = [`${SIDECAR_PREFIX}${id}`, ...(role === 'revert' ? [role] : []), ...(n > 1 ? [String(n)] : [])];
  return parts.join('-');
}

/** An ephemeral container that carries out an order. Its root file system is read-only, and it may do nothing but NET_ADMIN. */
export function sidecarContainer(
  name: string,
  { image, command }: SidecarImage,
  role: SidecarRole,
  fault: string,
  isAlone: boolean,
): Json {
  return {
    name,
    image,
    imagePullPolicy: 'IfNotPresent',
    ...(command && { command: [...command] }),
    args: ['sidecar', role, '--fault', fault, ...(isAlone ? ['--alone'] : [])],
    terminationMessagePolicy: 'File',
    securityContext: {
      // The pod may ask for another user, and only root's programs keep a capability.
      runAsUser: 0,
      runAsNonRoot: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
  };
}

/** What of the fault with this id is to be seen in a pod. */
export function viewOf(pod: KubeObject, id: string): SidecarView {
  const { spec, status, metadata } = pod;
  const declared: Json[] = spec?.ephemeralContainers ?? [];
  const statuses: Json[] = status?.ephemeralContainerStatuses ?? [];
  const found = (role: SidecarRole) => {
    const all: Sidecar[] = [];
    for (let n = 1; ; n += 1) {
      const name = sidecarName(id, role, n);
      const container = declared.find((one) => one.name === name);
      if (!container) return all;
      all.push(
        sidecarOf(
          container,
          statuses.find((one) => one.name === name),
        ),
      );
    }
  };
  const running: Json[] = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? []), ...statuses];
  return {
    hold: found('hold'),
    revert: found('revert'),
    podIPs: podIPsOf(pod),
    isTerminating: metadata.deletionTimestamp !== undefined,
    hasEnded:
      (status?.phase === 'Succeeded' || status?.phase === 'Failed' || metadata.deletionTimestamp !== undefined) &&
      running.length > 0 &&
      running.every(({ state }) => state?.terminated !== undefined),
  };
}

/** How many containers of ours a pod has, of all faults. */
export function sidecarsIn({ spec }: KubeObject): number {
  return (spec?.ephemeralContainers ?? []).filter(({ name }: Json) => name?.startsWith(SIDECAR_PREFIX)).length;
}

function sidecarOf(container: Json, status: Json): Sidecar {
  const args: unknown[] = container.args ?? [];
  const fault = String(args[args.indexOf('--fault') + 1] ?? '');
  const { terminated, running, waiting } = status?.state ?? {};
  const report = terminated && parseReport(terminated.message);
  const startedAt = Date.parse(terminated?.startedAt ?? running?.startedAt ?? '');
  return {
    name: container.name,
    fault,
    ...partsOf(fault),
    state: terminated ? 'Ended' : running ? 'Running' : 'Waiting',
    words: wordsOf(terminated ?? waiting),
    startedAt: Number.isFinite(startedAt) ? startedAt : 0,
    ...(report && { report }),
  };
}

function partsOf(fault: string): Pick<Sidecar, 'milliseconds' | 'startBy' | 'podIPs'> {
  try {
    const { milliseconds, startBy, podIPs } = decodeOrder(fault);
    return { milliseconds, startBy, podIPs };
  } catch {
    // Another version of ours, or somebody else, may have written it.
    return { milliseconds: Number.POSITIVE_INFINITY, startBy: Number.POSITIVE_INFINITY, podIPs: [] };
  }
}

/** Such as `ErrImagePull: failed to pull …` or `OOMKilled (exit code 137)`. */
function wordsOf(state: Json): string {
  const { reason, message, exitCode } = state ?? {};
  if (exitCode !== undefined) return `${reason ?? 'it ended'} (exit code ${exitCode})`;
  return [reason, message].filter(Boolean).join(': ') || 'the kubelet has not said anything of it yet';
}
