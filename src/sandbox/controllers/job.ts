import type { Json, KubeObject } from '../store/types.js';
import { type ControllerContext, controllerKey } from './context.js';
import { type Controller, ownKey } from './controller.js';
import { conditionOf, isActive, isReady, isTerminating, setCondition, splitKey, timestamp } from './objects.js';
import { claimPods, createPod, deletePod } from './owned-pods.js';

/** Runs pods until enough of them have succeeded, or too many have failed. Indexed completions are left out. */
export function jobController(context: ControllerContext): Controller {
  const { store } = context;
  const recorder = context.recorder('job-controller');

  function reconcile(key: string): number | undefined {
    const [namespace, name] = splitKey(key);
    const job = store.get('jobs.batch', namespace, name);
    if (job === undefined || isTerminating(job)) {
      return undefined;
    }
    if (isDone(job)) {
      return removeWhenOld(job);
    }
    const pods = claimPods(context, job);
    const succeeded = pods.filter((pod) => pod.status?.phase === 'Succeeded').length;
    const failed = pods.filter((pod) => pod.status?.phase === 'Failed').length;
    const active = pods.filter(isActive);
    const verdict = verdictOf(job, succeeded, failed);
    if (verdict === undefined) {
      resize(job, active, succeeded);
    } else {
      for (const pod of active) {
        deletePod(store, recorder, job, pod);
      }
    }
    writeStatus(job, { succeeded, failed }, verdict);
    return verdict === undefined ? deadlineIn(job) : 0;
  }

  function resize(job: KubeObject, active: KubeObject[], succeeded: number): void {
    const { parallelism = 1, completions = 1, suspend = false } = job.spec;
    const wanted = suspend ? 0 : Math.min(parallelism, completions - succeeded);
    for (let count = active.length; count < wanted; count += 1) {
      createPod(store, recorder, job);
    }
    for (const pod of active.slice(Math.max(0, wanted))) {
      deletePod(store, recorder, job, pod);
    }
  }

  function writeStatus(
    job: KubeObject,
    counts: { succeeded: number; failed: number },
    verdict: Verdict | undefined,
  ): void {
    const active = claimPods(context, job).filter(isActive);
    store.update('jobs.batch', job.metadata.namespace, job.metadata.name, (draft) => {
      draft.status = {
        ...draft.status,
        startTime: draft.status?.startTime ?? timestamp(),
        active: active.length || undefined,
        ready: active.filter(isReady).length,
        succeeded: counts.succeeded || undefined,
        failed: counts.failed || undefined,
      };
      if (verdict !== undefined) {
        setCondition(draft.status, { ...verdict, status: 'True' });
        draft.status.completionTime = verdict.type === 'Complete' ? timestamp() : undefined;
      }
    });
    if (verdict?.type === 'Complete') {
      recorder.normal(job, 'Completed', 'Job completed');
    } else if (verdict !== undefined) {
      recorder.warning(job, verdict.reason, verdict.message);
    }
  }

  function removeWhenOld(job: KubeObject): number | undefined {
    const seconds = job.spec.ttlSecondsAfterFinished;
    if (seconds === undefined || seconds === null) {
      return undefined;
    }
    const finished = job.status.conditions.find((condition: Json) => condition.status === 'True').lastTransitionTime;
    const left = Date.parse(finished) + seconds * 1000 - Date.now();
    if (left > 0) {
      return left;
    }
    store.delete('jobs.batch', job.metadata.namespace, job.metadata.name, { propagationPolicy: 'Background' });
    return undefined;
  }

  return { watches: { 'jobs.batch': ownKey, pods: (pod) => controllerKey(pod, 'Job') }, reconcile };
}

interface Verdict {
  type: 'Complete' | 'Failed';
  reason: string;
  message: string;
}

function isDone(job: KubeObject): boolean {
  return conditionOf(job, 'Complete')?.status === 'True' || conditionOf(job, 'Failed')?.status === 'True';
}

function verdictOf(job: KubeObject, succeeded: number, failed: number): Verdict | undefined {
  if (succeeded >= (job.spec.completions ?? 1)) {
    return { type: 'Complete', reason: 'CompletionsReached', message: 'Reached expected number of succeeded pods' };
  }
  if (failed > (job.spec.backoffLimit ?? 6)) {
    const message = 'Job has reached the specified backoff limit';
    return { type: 'Failed', reason: 'BackoffLimitExceeded', message };
  }
  if (deadlineIn(job) === 0) {
    const message = 'Job was active longer than specified deadline';
    return { type: 'Failed', reason: 'DeadlineExceeded', message };
  }
  return undefined;
}

/** Milliseconds until `activeDeadlineSeconds` are over, if the job has such a deadline. */
function deadlineIn(job: KubeObject): number | undefined {
  const seconds = job.spec.activeDeadlineSeconds;
  if (seconds === undefined || seconds === null || job.status?.startTime === undefined) {
    return undefined;
  }
  return Math.max(0, Date.parse(job.status.startTime) + seconds * 1000 - Date.now());
}
