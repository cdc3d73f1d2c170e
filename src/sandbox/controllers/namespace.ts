import type { KubeObject, Store } from '../store/types.js';
import type { ControllerContext } from './context.js';
import { type Controller, ownKey } from './controller.js';
import { isTerminating, setCondition, splitKey } from './objects.js';
import { namespacedResources } from './resource-names.js';

const lookAgainMilliseconds = 100;
const namespaceFinalizer = 'kubernetes';

/** Empties namespaces that are to go, and lets them go when the last object in them has. Gives each one its default service account. */
export function namespaceController({ store }: ControllerContext): Controller {
  function reconcile(key: string): number | undefined {
    const [, name] = splitKey(key);
    const namespace = store.get('namespaces', undefined, name);
    if (namespace === undefined) {
      return undefined;
    }
    if (!isTerminating(namespace)) {
      ensureServiceAccount(store, name);
      return undefined;
    }
    const left = namespacedResources(store).flatMap((resource) => emptyResource(store, resource, name));
    store.update('namespaces', undefined, name, (draft) => {
      draft.status = { ...draft.status, phase: 'Terminating' };
      reportRemaining(draft, left);
      if (left.length === 0) {
        draft.spec.finalizers = (draft.spec.finalizers ?? []).filter((one: string) => one !== namespaceFinalizer);
      }
    });
    return left.length === 0 ? undefined : lookAgainMilliseconds;
  }

  return { watches: { namespaces: ownKey }, reconcile };
}

/** Deletes all objects of a resource in a namespace; returns those that are still there afterwards. */
function emptyResource(store: Store, resource: string, namespace: string): KubeObject[] {
  for (const object of store.list(resource, namespace)) {
    if (!isTerminating(object)) {
      store.delete(resource, namespace, object.metadata.name);
    }
  }
  return store.list(resource, namespace);
}

function reportRemaining(draft: KubeObject, left: KubeObject[]): void {
  const held = left.filter((object) => (object.metadata.finalizers ?? []).length > 0);
  const kinds = [...new Set(left.map((object) => object.kind))].join(', ');
  setCondition(draft.status, {
    type: 'NamespaceContentRemaining',
    status: left.length > 0 ? 'True' : 'False',
    reason: left.length > 0 ? 'SomeResourcesRemain' : 'ContentRemoved',
    message: left.length > 0 ? `Some resources are remaining: ${kinds}` : 'All content successfully removed',
  });
  const finalizers = [...new Set(held.flatMap((object) => object.metadata.finalizers))].join(', ');
  setCondition(draft.status, {
    type: 'NamespaceFinalizersRemaining',
    status: held.length > 0 ? 'True' : 'False',
    reason: held.length > 0 ? 'SomeFinalizersRemain' : 'ContentHasNoFinalizers',
    message:
      held.length > 0
        ? `Some content in the namespace has finalizers remaining: ${finalizers}`
        : 'All content-preserving finalizers finished',
  });
}

function ensureServiceAccount(store: Store, namespace: string): void {
  if (store.get('serviceaccounts', namespace, 'default') === undefined) {
    const metadata = { name: 'default', namespace };
    store.create('serviceaccounts', { apiVersion: 'v1', kind: 'ServiceAccount', metadata });
  }
}
