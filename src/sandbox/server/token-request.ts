import { badRequest, conflict, invalid, notFound } from '../api-error.js';
import { Problems } from '../resources/problems.js';
import { checkShape } from '../resources/shape.js';
import { timestamp } from '../store/deletion.js';
import type { KubeObject } from '../store/types.js';
import { type ResourceCall, sendJson } from './context.js';
import { requireObject } from './read.js';
import { readObject } from './request.js';
import { DEFAULT_AUDIENCE } from './tokens.js';

const DEFAULT_SECONDS = 3600;
const MIN_SECONDS = 600;
const MAX_SECONDS = 2 ** 32;

/** POST of `serviceaccounts/token`: a token of the account, at will bound to a pod. Throws 409 for another pod's uid. */
export async function handleTokenRequest(call: ResourceCall): Promise<void> {
  const { context, response } = call;
  const body = await readObject(call.request);
  const { errors } = checkShape('TokenRequest', body);
  if (errors.length > 0) {
    throw badRequest(`TokenRequest in version "v1" cannot be handled as a TokenRequest: ${errors.join(', ')}`);
  }
  const account = requireObject(call);
  const { namespace, name } = account.metadata;
  const { audiences = [], expirationSeconds = DEFAULT_SECONDS, boundObjectRef } = body.spec ?? {};
  checkSeconds(expirationSeconds);
  const wished = audiences.length === 0 ? [DEFAULT_AUDIENCE] : audiences;
  const expires = new Date(context.now().getTime() + expirationSeconds * 1000);
  const pod = boundObjectRef && boundPod(call, account, boundObjectRef);
  const token = context.tokens.issue({ account, audiences: wished, expires, pod });
  sendJson(response, 201, {
    kind: 'TokenRequest',
    apiVersion: 'authentication.k8s.io/v1',
    metadata: { name, namespace, creationTimestamp: timestamp(context.now()) },
    spec: { audiences: wished, expirationSeconds, boundObjectRef: boundObjectRef ?? null },
    status: { token, expirationTimestamp: timestamp(expires) },
  });
}

function checkSeconds(value: number): void {
  const problems = new Problems();
  if (value < MIN_SECONDS) {
    problems.invalid('spec.expirationSeconds', value, 'may not specify a duration less than 10 minutes');
  }
  if (value > MAX_SECONDS) {
    problems.invalid('spec.expirationSeconds', value, 'may not specify a duration larger than 2^32 seconds');
  }
  if (problems.causes.length > 0) {
    throw invalid('TokenRequest.authentication.k8s.io', '', problems.causes);
  }
}

function boundPod(
  { context }: ResourceCall,
  { metadata }: KubeObject,
  reference: { kind?: string; name?: string; uid?: string },
): KubeObject {
  if (reference.kind !== 'Pod') {
    throw badRequest('the sandbox binds tokens to a Pod only');
  }
  const name = reference.name ?? '';
  const pod = context.store.get('pods', metadata.namespace, name);
  if (pod === undefined) {
    throw notFound('pods', name);
  }
  if (pod.spec.serviceAccountName !== metadata.name) {
    throw badRequest(
      `cannot bind token for serviceaccount ${JSON.stringify(metadata.name)} to pod running with different serviceaccount name.`,
    );
  }
  if (reference.uid && reference.uid !== pod.metadata.uid) {
    throw conflict(
      'pods',
      name,
      `the UID in the bound object reference (${reference.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  }
  return pod;
}
