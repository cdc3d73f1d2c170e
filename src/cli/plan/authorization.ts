import type { ExperimentSpec } from '../../api/experiment.js';
import { type Authorization, authorize, missingText, surveyOf } from '../../controller/authorization/missing-rights.js';
import { type Right, readingsOf, rightsOf, type Served } from '../../controller/authorization/rights.js';
import { roleFor } from '../../controller/authorization/role-for.js';
import type { Survey } from '../../domain/survey.js';
import type { Client } from '../../kubernetes/client.js';
import { ApiError } from '../../kubernetes/errors.js';
import { apiVersionOf, type KubeObject } from '../../kubernetes/resource.js';
import { decideAccess, indexAccess, type RbacObjects } from '../../sandbox/rbac/authorize.js';
import { AUTHENTICATED, accountGroups, accountUser } from '../../sandbox/rbac/request.js';
import { BUILT_IN_TYPES } from '../../sandbox/resources/built-in.js';
import type { Contents } from './contents.js';

/** What an experiment's service account may not do of what the experiment does. */
export interface PlanRights {
  /** As `shop/chaos`. */
  account: string;
  /** What it lacks, each in words. */
  missing: readonly string[];
  /** Objects that would grant it, as YAML ready to paste; `''`: nothing is missing. */
  role: string;
  /** What could not be found out, in words; undefined: all was. */
  unknown?: string;
  survey: Pick<Survey, 'missing' | 'noAccount' | 'unknownKinds'>;
}

/** Asks the API server itself; where it does not answer that, its Roles and Bindings. */
export async function liveRights(
  client: Client,
  contents: Contents,
  namespace: string,
  spec: ExperimentSpec,
): Promise<PlanRights> {
  try {
    return rightsFrom(await authorize(client, namespace, spec));
  } catch (error) {
    if (!(error instanceof ApiError && error.isForbidden)) throw error;
    const read = storedRights(contents, namespace, spec);
    return { ...read, unknown: read.unknown ?? 'other authorizers than RBAC were not asked, for you may not' };
  }
}

/** Evaluates the Roles and Bindings that were read, as the RBAC authorizer would. */
export function storedRights(contents: Contents, namespace: string, spec: ExperimentSpec): PlanRights {
  const unread = (['roles', 'roleBindings', 'clusterRoles', 'clusterRoleBindings'] as const).flatMap(
    (kind) => contents.lacks(kind) ?? [],
  );
  const account = { namespace, name: spec.serviceAccountName };
  if (unread.length > 0)
    return {
      account: `${namespace}/${account.name}`,
      missing: [],
      role: '',
      unknown: `whether its rights suffice: ${unread[0]}`,
      survey: { missing: [] },
    };
  const rights = rightsOf(spec, namespace, builtIn);
  const index = indexAccess(rbacOf(contents));
  const user = {
    name: accountUser(namespace, account.name),
    groups: [...accountGroups(namespace), AUTHENTICATED],
  };
  const missing = rights.filter((right) => !decideAccess(index, user, requestOf(right)).allowed);
  const absent = !contents.in('serviceAccounts', namespace).some(({ metadata }) => metadata.name === account.name);
  const unsure = readingsOf(spec).filter((reading) => !builtIn(reading));
  const [first] = unsure;
  return {
    ...rightsFrom({ account, absent: absent && !contents.lacks('serviceAccounts'), rights, missing, unknownKinds: [] }),
    ...(first && { unknown: `whether probes may read ${first.kind} of ${first.apiVersion}: it is not built in` }),
  };
}

function rightsFrom(found: Authorization): PlanRights {
  const { account, absent, missing } = found;
  return {
    account: `${account.namespace}/${account.name}`,
    missing: missing.map(missingText),
    role: roleFor(account, missing, absent),
    survey: surveyOf(found),
  };
}

/** Where Kubernetes itself serves a kind. */
const builtIn: Served = ({ apiVersion, kind }) =>
  BUILT_IN_TYPES.find((type) => apiVersionOf(type) === apiVersion && type.kind === kind);

function requestOf({ why: _why, ...right }: Right) {
  return right;
}

function rbacOf(contents: Contents): RbacObjects {
  const list = <T>(kind: 'roles' | 'roleBindings' | 'clusterRoles' | 'clusterRoleBindings') =>
    contents.list(kind) as readonly KubeObject[] as unknown as readonly T[];
  return {
    roles: list('roles'),
    roleBindings: list('roleBindings'),
    clusterRoles: list('clusterRoles'),
    clusterRoleBindings: list('clusterRoleBindings'),
  };
}
