import type { LogSource } from '../server/log-source.js';
import type { KubeObject, StoreEvent } from '../store/types.js';
import type { KubeletContext } from './kubelet-context.js';
import { PodRunner } from './pod-runner.js';

/** The kubelets of all nodes with real processes. */
export interface Kubelets {
  logs: LogSource;
  /** Ends every pod at once; resolves when no process is left. The objects stay. */
  stop(): Promise<void>;
}

/** Runs the pods that are bound to the nodes of `hostIPs` (node name to node address). */
export function startKubelets(context: KubeletContext, hostIPs: ReadonlyMap<string, string>): Kubelets {
  const runners = new Map<string, PodRunner>();
  /** Those whose object is gone, and that still have processes. */
  const leaving = new Set<PodRunner>();

  function onPod({ type, object }: StoreEvent): void {
    const hostIP = hostIPs.get(object.spec.nodeName);
    if (hostIP === undefined) {
      return;
    }
    const runner = runners.get(object.metadata.uid);
    if (type === 'DELETED') {
      if (runner !== undefined) {
        runners.delete(object.metadata.uid);
        leaving.add(runner);
        void runner.abandon().finally(() => leaving.delete(runner));
      }
    } else if (runner !== undefined) {
      runner.update(object);
    } else {
      begin(object, hostIP);
    }
  }

  function begin(pod: KubeObject, hostIP: string): void {
    const runner = new PodRunner(context, pod, hostIP);
    runners.set(pod.metadata.uid, runner);
    runner.start();
    if (pod.metadata.deletionTimestamp !== undefined) {
      runner.update(pod);
    }
  }

  const unsubscribe = context.store.subscribe('pods', onPod);
  for (const object of context.store.list('pods')) {
    onPod({ type: 'ADDED', object });
  }

  const logs: LogSource = {
    read: (pod, request, signal) => runners.get(pod.metadata.uid)?.readLog(request, signal),
  };

  async function stop(): Promise<void> {
    unsubscribe();
    await Promise.all([...runners.values(), ...leaving].map((runner) => runner.kill()));
    runners.clear();
  }

  return { logs, stop };
}
