import { arrayOf } from '../resources/pod-defaults.js';
import type { Json, KubeObject } from '../store/types.js';
import { ageOf } from './duration.js';

const NODE_LOST = 'NodeLost';

/** The READY cell: `1/2`. */
export function podReady(pod: KubeObject): string {
  const ready = statuses(pod).filter((status) => status.ready && status.state?.running).length;
  return `${ready}/${arrayOf(pod.spec?.containers).length}`;
}

/** The RESTARTS cell: `3 (2m ago)`. */
export function podRestarts(pod: KubeObject, now: Date): string {
  const all = [...statuses(pod), ...arrayOf(pod.status?.initContainerStatuses)];
  const count = all.reduce((sum, status) => sum + (status.restartCount ?? 0), 0);
  const ends: string[] = all.map((status) => status.lastState?.terminated?.finishedAt).filter(Boolean);
  const last = ends.sort().at(-1);
  return count > 0 && last !== undefined ? `${count} (${ageOf(last, now)} ago)` : String(count);
}

/** The STATUS cell: the phase, or what keeps the pod from it (kubernetes `printers/internalversion`, printPod). */
export function podStatus(pod: KubeObject): string {
  const { status, metadata } = pod;
  let reason = status?.reason || status?.phase || 'Unknown';
  reason = initReason(pod) ?? containerReason(pod, reason);
  if (metadata.deletionTimestamp !== undefined) {
    const finished = status?.phase === 'Succeeded' || status?.phase === 'Failed';
    return status?.reason === NODE_LOST ? 'Unknown' : finished ? reason : 'Terminating';
  }
  return reason;
}

function statuses(pod: KubeObject): Json[] {
  return arrayOf(pod.status?.containerStatuses);
}

function initReason(pod: KubeObject): string | undefined {
  const init = arrayOf(pod.status?.initContainerStatuses);
  const index = init.findIndex((status) => status.state?.terminated?.exitCode !== 0);
  if (index < 0) {
    return undefined;
  }
  const state = init[index].state ?? {};
  const waiting = state.waiting?.reason;
  if (state.terminated) {
    return `Init:${terminatedReason(state.terminated)}`;
  }
  return waiting && waiting !== 'PodInitializing' ? `Init:${waiting}` : `Init:${index}/${init.length}`;
}

function containerReason(pod: KubeObject, fallback: string): string {
  let reason = fallback;
  let running = false;
  for (const status of statuses(pod).reverse()) {
    const { waiting, terminated } = status.state ?? {};
    if (waiting?.reason) {
      reason = waiting.reason;
    } else if (terminated) {
      reason = terminatedReason(terminated);
    } else if (status.ready && status.state?.running) {
      running = true;
    }
  }
  return reason === 'Completed' && running ? 'Running' : reason;
}

function terminatedReason(terminated: Json): string {
  return terminated.reason || (terminated.signal ? `Signal:${terminated.signal}` : `ExitCode:${terminated.exitCode}`);
}
