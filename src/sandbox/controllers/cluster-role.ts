import { equalJson } from '../json.js';
import { CLUSTER_ROLES } from '../rbac/authorizer.js';
import type { Json, KubeObject } from '../store/types.js';
import type { ControllerContext } from './context.js';
import { type Controller, ownKey } from './controller.js';
import { keyOf, splitKey } from './objects.js';
import { matchesSelector } from './selectors.js';

/** Gives a ClusterRole with an `aggregationRule` the rules of all ClusterRoles that it selects. */
export function clusterRoleController({ store }: ControllerContext): Controller {
  function reconcile(key: string): undefined {
    const [, name] = splitKey(key);
    const role = store.get(CLUSTER_ROLES, undefined, name);
    const selectors: Json[] = role?.aggregationRule?.clusterRoleSelectors ?? [];
    if (selectors.length === 0) {
      return;
    }
    const chosen = sortedRoles().filter(
      ({ metadata }) => metadata.name !== name && selectors.some((one) => matchesSelector(one, metadata.labels)),
    );
    store.update(CLUSTER_ROLES, undefined, name, (draft) => {
      draft.rules = distinct(chosen.flatMap(({ rules }) => rules ?? []));
    });
  }

  const sortedRoles = (): KubeObject[] =>
    store.list(CLUSTER_ROLES).sort((left, right) => (left.metadata.name < right.metadata.name ? -1 : 1));

  const aggregates = (): string[] =>
    store.list(CLUSTER_ROLES).flatMap((role) => (role.aggregationRule === undefined ? [] : [keyOf(role)]));

  return {
    watches: {
      [CLUSTER_ROLES]: (role, { previous }) =>
        (role.metadata.labels ?? previous?.metadata.labels) === undefined ? ownKey(role) : aggregates(),
    },
    reconcile,
  };
}

function distinct(rules: Json[]): Json[] {
  return rules.filter((rule, index) => rules.findIndex((other) => equalJson(other, rule)) === index);
}
