import type { Client } from '../../kubernetes/client.js';
import { ApiError } from '../../kubernetes/errors.js';
import { inParallel } from '../../kubernetes/parallel.js';
import {
  type Json,
  type KubeObject,
  type Resource,
  selfSubjectAccessReviews,
  serviceAccounts,
  subjectAccessReviews,
} from '../../kubernetes/resource.js';
import type { Right } from './rights.js';

/** A service account by its namespace and name. */
export interface Account {
  namespace: string;
  name: string;
}

/** How many questions are asked at once. */
const QUESTIONS_AT_ONCE = 16;
const TIMEOUT_MILLISECONDS = 10_000;
const MAX_REASON = 200;

/** A right that is lacking, and what the API server says of it, if anything. */
export interface MissingRight extends Right {
  reason?: string;
}

/**
 * Those of the rights that a service account does not have, in their order: a SubjectAccessReview for each, as the API
 * server itself would decide on a request of that account. What gets no answer is thrown, so nobody takes it for a yes.
 *
 * @throws ApiError, TransportError when one of them was not answered
 */
export function reviewRights(client: Client, account: Account, rights: readonly Right[]): Promise<MissingRight[]> {
  return review(client, subjectAccessReviews, identityOf(account), rights);
}

/**
 * Those of the rights that whoever asks does not have: here the controller itself.
 *
 * @throws ApiError, TransportError when one of them was not answered
 */
export function reviewOwnRights(client: Client, rights: readonly Right[]): Promise<MissingRight[]> {
  return review(client, selfSubjectAccessReviews, {}, rights);
}

async function review(
  client: Client,
  questions: Resource,
  who: Json,
  rights: readonly Right[],
): Promise<MissingRight[]> {
  const missing = new Map<Right, MissingRight>();
  await inParallel(QUESTIONS_AT_ONCE, rights, async (right) => {
    const spec = { ...who, resourceAttributes: attributesOf(right) };
    const answer = await client.create<KubeObject>(
      questions,
      { metadata: {}, spec },
      { timeoutMs: TIMEOUT_MILLISECONDS },
    );
    if (answer.status?.allowed === true) return;
    const reason = reasonOf(answer.status);
    missing.set(right, { ...right, ...(reason && { reason }) });
  });
  return rights.flatMap((right) => missing.get(right) ?? []);
}

/** As https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/ says that the account would be seen. */
function identityOf({ namespace, name }: Account): Json {
  return {
    user: `system:serviceaccount:${namespace}:${name}`,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
  };
}

function attributesOf({ why: _why, ...right }: Right): Json {
  return right;
}

/** Rules that could not be looked up speak louder than the absence of one that would allow it. */
function reasonOf({ reason, evaluationError }: Json = {}): string | undefined {
  const text = [evaluationError, reason].filter((each) => typeof each === 'string' && each !== '').join('; ');
  return text.length > MAX_REASON ? `${text.slice(0, MAX_REASON - 1)}…` : text || undefined;
}

/** Whether a service account is there. One that is not may have rights all the same, for bindings only name it. */
export async function accountExists(client: Client, { namespace, name }: Account): Promise<boolean> {
  try {
    await client.get(serviceAccounts, namespace, name, { timeoutMs: TIMEOUT_MILLISECONDS });
    return true;
  } catch (error) {
    if (error instanceof ApiError && error.isNotFound) return false;
    throw error;
  }
}
