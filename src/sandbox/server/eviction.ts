import { ApiError, badRequest, notFound, tooManyRequests } from '../api-error.js';
import { isRecord, shownJson } from '../json.js';
import { arrayOf } from '../resources/pod-defaults.js';
import { compileLabelSelector } from '../resources/selector.js';
import { timestamp } from '../store/deletion.js';
import type { ServerStore } from '../store/store.js';
import type { Json, KubeObject } from '../store/types.js';
import { type ResourceCall, sendJson } from './context.js';
import { type DeleteRequest, deleteOptionsOf, isTerminating, success } from './delete.js';
import { requireObject } from './read.js';
import { readObject } from './request.js';

const BUDGETS = 'poddisruptionbudgets.policy';
const SYNC_RETRY_SECONDS = 10;

/** POST of `pods/eviction`: deletes a pod unless a PodDisruptionBudget forbids it (429). */
export async function handleEviction(call: ResourceCall): Promise<void> {
  const { context, target, query, response } = call;
  const { store } = context;
  const body = await readObject(call.request);
  if (body.kind !== 'Eviction' || !/^policy\/v1(beta1)?$/.test(shownJson(body.apiVersion))) {
    throw badRequest(
      `an eviction must be of kind Eviction in policy/v1, not ${shownJson(body.kind)} in ${shownJson(body.apiVersion)}`,
    );
  }
  const named = body.metadata?.name;
  if (named !== undefined && named !== target.name) {
    throw badRequest(`name in URL does not match name in Eviction object: ${target.name}, ${shownJson(named)}`);
  }
  const options = deleteOptionsOf(isRecord(body.deleteOptions) ? body.deleteOptions : {}, query);
  const pod = requireObject(call);
  const wanted = options.preconditions?.uid;
  if (wanted !== undefined && wanted !== pod.metadata.uid) {
    // Same answer and check as a DELETE, before a budget pays for it.
    store.delete('pods', pod.metadata.namespace, pod.metadata.name, { ...options, dryRun: true });
  }
  if (needsBudget(pod)) {
    spendBudget(store, pod, options.dryRun === true, context.now());
  }
  evict(store, pod, options, context.now());
  sendJson(response, 201, success(undefined, 201));
}

/** Pods that are over, or that never got to a node, cost no budget. */
function needsBudget(pod: KubeObject): boolean {
  return !['Succeeded', 'Failed', 'Pending'].includes(pod.status?.phase) && !isTerminating(pod);
}

function spendBudget(store: ServerStore, pod: KubeObject, dryRun: boolean, now: Date): void {
  const labels = pod.metadata.labels ?? {};
  const budgets = store
    .list(BUDGETS, pod.metadata.namespace)
    .filter((budget) => compileLabelSelector(budget.spec?.selector)(labels));
  if (budgets.length > 1) {
    const message = 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.';
    throw new ApiError(500, 'InternalError', message);
  }
  const [budget] = budgets;
  if (budget === undefined || isFree(budget, pod)) {
    return;
  }
  checkBudget(budget);
  if (!dryRun) {
    store.update(BUDGETS, budget.metadata.namespace, budget.metadata.name, (draft) => {
      draft.status.disruptionsAllowed -= 1;
      draft.status.disruptedPods = { ...draft.status.disruptedPods, [pod.metadata.name]: timestamp(now) };
    });
  }
}

/** Whether an unready pod may go although the budget is spent (KEP-3017). */
function isFree({ spec, status }: KubeObject, pod: KubeObject): boolean {
  const ready = arrayOf(pod.status?.conditions).some(({ type, status: value }) => type === 'Ready' && value === 'True');
  if (ready) {
    return false;
  }
  const healthyEnough = status?.desiredHealthy > 0 && status.currentHealthy >= status.desiredHealthy;
  return spec.unhealthyPodEvictionPolicy === 'AlwaysAllow' || healthyEnough;
}

function checkBudget({ metadata, status }: KubeObject): void {
  const refuse = (message: string, why: string, retryAfterSeconds: number) => {
    throw tooManyRequests(message, retryAfterSeconds, [{ reason: 'DisruptionBudget', message: why }]);
  };
  const violation = "Cannot evict pod as it would violate the pod's disruption budget.";
  if ((status?.observedGeneration ?? 0) < (metadata.generation ?? 0)) {
    const why = `The disruption budget ${metadata.name} is still being processed by the server.`;
    refuse(violation, why, SYNC_RETRY_SECONDS);
  }
  if (!(status.disruptionsAllowed > 0)) {
    refuse(violation, whyNot(metadata.name, status), 0);
  }
}

function whyNot(name: string, { desiredHealthy = 0, currentHealthy = 0, conditions }: Json): string {
  const failed = arrayOf(conditions).find(
    ({ type, reason }) => type === 'DisruptionAllowed' && reason === 'SyncFailed',
  );
  return failed === undefined
    ? `The disruption budget ${name} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`
    : `The disruption budget ${name} does not allow evicting pods currently because it failed sync: ${failed.message}`;
}

function evict(store: ServerStore, pod: KubeObject, options: DeleteRequest, now: Date): void {
  const { namespace, name, uid } = pod.metadata;
  if (!options.dryRun && !isTerminating(pod)) {
    store.update('pods', namespace, name, (draft) => {
      const others = arrayOf(draft.status?.conditions).filter(({ type }) => type !== 'DisruptionTarget');
      const condition = {
        type: 'DisruptionTarget',
        status: 'True',
        reason: 'EvictionByEvictionAPI',
        message: 'Eviction API: evicting',
        lastTransitionTime: timestamp(now),
      };
      draft.status = { ...draft.status, conditions: [...others, condition] };
    });
  }
  if (store.get('pods', namespace, name) === undefined) {
    throw notFound('pods', name);
  }
  const { resourceVersion: _version, ...preconditions } = options.preconditions ?? {};
  store.delete('pods', namespace, name, { ...options, preconditions: { uid, ...preconditions } });
}
