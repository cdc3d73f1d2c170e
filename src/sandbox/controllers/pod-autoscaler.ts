import type { KubeObject } from '../store/types.js';
import type { ControllerContext } from './context.js';
import { type Controller, ownKey } from './controller.js';
import { isTerminating, setCondition, splitKey, timestamp } from './objects.js';

const AUTOSCALERS = 'horizontalpodautoscalers.autoscaling';
/** A real one looks every 15 s; rehearsals have less time. */
const SYNC_MILLISECONDS = 1_000;
const NO_METRICS =
  'the HPA was unable to compute the replica count: unable to fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)';

const TARGETS: Record<string, string> = {
  Deployment: 'deployments.apps',
  ReplicaSet: 'replicasets.apps',
  StatefulSet: 'statefulsets.apps',
};

/** What an autoscaler makes of the present count. */
interface Wish {
  replicas: number;
  /** Why that is another count than the present one. */
  why?: string;
  /** A workload of no replicas is left alone. */
  disabled: boolean;
}

/**
 * Does what a HorizontalPodAutoscaler does where metrics are missing: keeps its target between `minReplicas` and
 * `maxReplicas`, and leaves a target of zero replicas alone.
 */
export function podAutoscalerController({ store, recorder: recorderOf }: ControllerContext): Controller {
  const recorder = recorderOf('horizontal-pod-autoscaler');

  function reconcile(key: string): number | undefined {
    const [namespace, name] = splitKey(key);
    const autoscaler = store.get(AUTOSCALERS, namespace, name);
    if (autoscaler === undefined || isTerminating(autoscaler)) {
      return undefined;
    }
    const { kind, name: targetName } = autoscaler.spec.scaleTargetRef;
    const resource = TARGETS[kind];
    const target = resource && store.get(resource, namespace, targetName);
    if (!resource || !target) {
      reportMissing(autoscaler);
      return SYNC_MILLISECONDS;
    }
    const current: number = target.spec.replicas ?? 1;
    const wish = wishOf(autoscaler, current);
    if (wish.why !== undefined) {
      store.update(resource, namespace, targetName, (draft) => {
        draft.spec.replicas = wish.replicas;
      });
      recorder.normal(autoscaler, 'SuccessfulRescale', `New size: ${wish.replicas}; reason: ${wish.why}`);
    }
    report(autoscaler, target, wish);
    return SYNC_MILLISECONDS;
  }

  function reportMissing(autoscaler: KubeObject): void {
    const { kind, name } = autoscaler.spec.scaleTargetRef;
    const message = `the HPA controller was unable to get the target's current scale: ${kind} ${JSON.stringify(name)} not found`;
    change(autoscaler, (draft) => {
      setCondition(draft.status, { type: 'AbleToScale', status: 'False', reason: 'FailedGetScale', message });
    });
  }

  function report(autoscaler: KubeObject, target: KubeObject, { replicas, why, disabled }: Wish): void {
    change(autoscaler, (draft) => {
      const { status } = draft;
      Object.assign(status, { currentReplicas: target.status?.replicas ?? 0, desiredReplicas: replicas });
      const able = { type: 'AbleToScale', status: 'True' as const };
      if (why === undefined) {
        const message = "the HPA controller was able to get the target's current scale";
        setCondition(status, { ...able, reason: 'SucceededGetScale', message });
      } else {
        status.lastScaleTime = timestamp();
        const message = `the HPA controller was able to update the target scale to ${replicas}`;
        setCondition(status, { ...able, reason: 'SucceededRescale', message });
      }
      const off = {
        reason: 'ScalingDisabled',
        message: 'scaling is disabled since the replica count of the target is zero',
      };
      const blind = { reason: 'FailedGetResourceMetric', message: NO_METRICS };
      setCondition(status, { type: 'ScalingActive', status: 'False', ...(disabled ? off : blind) });
    });
  }

  function change({ metadata }: KubeObject, edit: (draft: KubeObject) => void): void {
    store.update(AUTOSCALERS, metadata.namespace, metadata.name, edit);
  }

  return { watches: { [AUTOSCALERS]: ownKey }, reconcile };
}

function wishOf({ spec }: KubeObject, current: number): Wish {
  const { minReplicas, maxReplicas } = spec;
  if (current === 0 && minReplicas !== 0) {
    return { replicas: 0, disabled: true };
  }
  if (current > maxReplicas) {
    return { replicas: maxReplicas, why: 'Current number of replicas above Spec.MaxReplicas', disabled: false };
  }
  if (current < minReplicas) {
    return { replicas: minReplicas, why: 'Current number of replicas below Spec.MinReplicas', disabled: false };
  }
  return { replicas: current, disabled: false };
}
