import { badRequest, conflict } from '../api-error.js';
import { arrayOf } from '../resources/pod-defaults.js';
import { timestamp } from '../store/deletion.js';
import { type ResourceCall, sendJson } from './context.js';
import { success } from './delete.js';
import { isDryRun } from './query.js';
import { readObject } from './request.js';

/** POST of `pods/binding`: what a scheduler says. Throws 409 when the pod has a node or is going. */
export async function handleBinding(call: ResourceCall): Promise<void> {
  const { context, target, query, response } = call;
  const body = await readObject(call.request);
  const node = body.target?.name;
  if (typeof node !== 'string' || node === '' || (body.target.kind ?? 'Node') !== 'Node') {
    throw badRequest('target.name must be the name of a node');
  }
  const name = target.name!;
  context.store.update(
    'pods',
    target.namespace,
    name,
    (draft) => {
      if (draft.metadata.deletionTimestamp !== undefined) {
        throw conflict('pods/binding', name, `pod ${name} is being deleted, cannot be assigned to a host`);
      }
      if (draft.spec.nodeName) {
        throw conflict('pods/binding', name, `pod ${name} is already assigned to node "${draft.spec.nodeName}"`);
      }
      draft.spec.nodeName = node;
      const others = arrayOf(draft.status?.conditions).filter(({ type }) => type !== 'PodScheduled');
      const scheduled = { type: 'PodScheduled', status: 'True', lastTransitionTime: timestamp(context.now()) };
      draft.status = { ...draft.status, conditions: [...others, scheduled] };
    },
    { dryRun: isDryRun(query) },
  );
  sendJson(response, 201, success(undefined, 201));
}
