import { ApiError, badRequest, invalid } from '../api-error.js';
import type { AccessRequest, UserInfo } from '../rbac/request.js';
import type { PolicyRule } from '../rbac/rules.js';
import { Problems } from '../resources/problems.js';
import { qualifiedKind } from '../resources/resource-type.js';
import { checkShape } from '../resources/shape.js';
import type { Json, KubeObject } from '../store/types.js';
import { checkIdentity } from './admission.js';
import { type ResourceCall, sendJson } from './context.js';
import { readObject } from './request.js';
import { DEFAULT_AUDIENCE } from './tokens.js';

type Answer = (call: ResourceCall, object: KubeObject) => Json;

/** By kind: makes the status of a question. */
const ANSWERS: Record<string, Answer> = {
  SubjectAccessReview: accessOf,
  LocalSubjectAccessReview: accessOf,
  SelfSubjectAccessReview: ownAccess,
  SelfSubjectRulesReview: ownRules,
  SelfSubjectReview: ({ user }) => ({ userInfo: wireUser(user) }),
  TokenReview: tokenStatus,
};

/** POST of a question about rights or identities: answers with the same object and a status, and stores nothing. */
export async function handleReview(call: ResourceCall): Promise<void> {
  const { type, response } = call;
  const body = await readObject(call.request);
  checkIdentity(call, body, undefined);
  const { errors } = checkShape(type.kind, body);
  if (errors.length > 0) {
    throw badRequest(
      `${type.kind} in version "${type.version}" cannot be handled as a ${type.kind}: ${errors.join(', ')}`,
    );
  }
  const { apiVersion, kind, metadata, spec } = body as KubeObject;
  const status = ANSWERS[type.kind]!(call, body as KubeObject);
  const head = { kind, apiVersion, metadata };
  sendJson(response, 201, { ...head, ...(spec === undefined ? {} : { spec }), status });
}

function accessOf(call: ResourceCall, { metadata, spec }: KubeObject): Json {
  const problems = new Problems();
  if (!spec?.user && !spec?.groups?.length) {
    problems.invalid('spec.user', '', 'at least one of user or group must be specified');
  }
  const request = requestOf(problems, spec);
  const local = call.type.namespaced;
  if (local && spec?.nonResourceAttributes !== undefined) {
    problems.invalid('spec.nonResourceAttributes', spec.nonResourceAttributes, 'disallowed on this kind of request');
  }
  if (local && spec?.resourceAttributes?.namespace !== metadata.namespace) {
    const { namespace = '' } = spec?.resourceAttributes ?? {};
    problems.invalid('spec.resourceAttributes.namespace', namespace, 'must match metadata.namespace');
  }
  refuse(call, problems);
  return decide(call, { name: spec.user ?? '', groups: spec.groups ?? [], uid: spec.uid, extra: spec.extra }, request!);
}

function ownAccess(call: ResourceCall, { spec }: KubeObject): Json {
  const problems = new Problems();
  const request = requestOf(problems, spec);
  refuse(call, problems);
  return decide(call, call.user, request!);
}

function decide({ context }: ResourceCall, user: UserInfo, request: AccessRequest): Json {
  const { allowed, reason } = context.authorizer.decide(user, request);
  return reason === '' ? { allowed } : { allowed, reason };
}

/** Exactly one of the two sorts of attributes; undefined with a problem noted. */
function requestOf(problems: Problems, spec: Json): AccessRequest | undefined {
  const { resourceAttributes: resource, nonResourceAttributes: path } = spec ?? {};
  if (resource && path) {
    problems.invalid('spec.nonResourceAttributes', path, 'cannot be specified in combination with resourceAttributes');
    return undefined;
  }
  if (!resource && !path) {
    const why = 'exactly one of nonResourceAttributes or resourceAttributes must be specified';
    problems.invalid('spec.resourceAttributes', null, why);
    return undefined;
  }
  if (path) {
    return { verb: path.verb ?? '', path: path.path ?? '' };
  }
  const { verb = '', group = '', resource: plural = '', subresource, namespace, name } = resource;
  return { verb, group, resource: plural, subresource, namespace, name };
}

function refuse({ type }: ResourceCall, { causes }: Problems): void {
  if (causes.length > 0) {
    throw invalid(qualifiedKind(type), '', causes);
  }
}

function ownRules({ context, user }: ResourceCall, { spec }: KubeObject): Json {
  if (!spec?.namespace) {
    throw badRequest('no namespace on request');
  }
  const rules = context.authorizer.rulesFor(user, spec.namespace);
  const ofPaths = (rule: PolicyRule) => rule.nonResourceURLs !== undefined && rule.nonResourceURLs.length > 0;
  return {
    resourceRules: rules.filter((rule) => !ofPaths(rule)),
    nonResourceRules: rules.filter(ofPaths).map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs })),
    incomplete: false,
  };
}

function tokenStatus({ context }: ResourceCall, { spec }: KubeObject): Json {
  if (!spec?.token) {
    throw new ApiError(400, 'BadRequest', 'token is required for TokenReview in authentication');
  }
  const owner = context.tokens.verify(spec.token);
  const wanted: string[] = spec.audiences?.length ? spec.audiences : [DEFAULT_AUDIENCE];
  const audiences = owner?.audiences.filter((audience) => wanted.includes(audience)) ?? [];
  if (owner === undefined || audiences.length === 0) {
    return { user: {}, error: 'the token is not good here' };
  }
  return { authenticated: true, user: wireUser(owner.user), audiences };
}

function wireUser({ name, groups, uid, extra }: UserInfo): Json {
  return { username: name, uid, groups, extra };
}
