import type { KubeObject, Store } from '../store/types.js';
import {
  type AccessDecision,
  type AccessIndex,
  type BindingObject,
  decideAccess,
  indexAccess,
  rulesFor,
} from './authorize.js';
import type { AccessRequest, UserInfo } from './request.js';
import type { PolicyRule } from './rules.js';

export const ROLES = 'roles.rbac.authorization.k8s.io';
export const CLUSTER_ROLES = 'clusterroles.rbac.authorization.k8s.io';
export const ROLE_BINDINGS = 'rolebindings.rbac.authorization.k8s.io';
export const CLUSTER_ROLE_BINDINGS = 'clusterrolebindings.rbac.authorization.k8s.io';

/** Answers questions of rights from the roles and bindings in a store, as they are at the moment. */
export interface Authorizer {
  decide(user: UserInfo, request: AccessRequest): AccessDecision;
  /** The rules that hold for a user in a namespace, or in the whole cluster. */
  rulesFor(user: UserInfo, namespace: string | undefined): PolicyRule[];
  stop(): void;
}

/** Puts the roles and bindings in order again only when one of them has changed. */
export function createAuthorizer(store: Store): Authorizer {
  let index: AccessIndex | undefined;
  const forget = () => {
    index = undefined;
  };
  const resources = [ROLES, CLUSTER_ROLES, ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS];
  const stops = resources.map((resource) => store.subscribe(resource, forget));
  const current = () => {
    index ??= indexAccess({
      roles: store.list(ROLES),
      roleBindings: store.list(ROLE_BINDINGS).map(asBinding),
      clusterRoles: store.list(CLUSTER_ROLES),
      clusterRoleBindings: store.list(CLUSTER_ROLE_BINDINGS).map(asBinding),
    });
    return index;
  };
  return {
    decide: (user, request) => decideAccess(current(), user, request),
    rulesFor: (user, namespace) => rulesFor(current(), user, namespace),
    stop() {
      for (const stop of stops) {
        stop();
      }
    },
  };
}

function asBinding({ metadata, roleRef, subjects }: KubeObject): BindingObject {
  return { metadata, roleRef, subjects };
}
