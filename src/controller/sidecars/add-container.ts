import type { Outcome } from '../../domain/injection-observed.js';
import type { Client } from '../../kubernetes/client.js';
import { ApiError } from '../../kubernetes/errors.js';
import { type Json, type KubeObject, pods } from '../../kubernetes/resource.js';

/** What came of adding a container: the pod as it is now, what speaks against it for good, or nothing for now. */
export type Added = { pod: KubeObject } | { outcome: Outcome } | 'later';

/**
 * Adds an ephemeral container to a pod, exactly to what was read: to no other pod of that name, and not twice.
 * @param permit asked right before every try; what it throws ends it, and nothing was done
 * @throws what leaves open whether it was added: no answer, or a server error that may pass
 */
export async function addContainer(
  client: Client,
  { metadata, spec }: KubeObject,
  container: Json,
  permit: () => void,
): Promise<Added> {
  const { namespace, name = '', resourceVersion } = metadata;
  const isFirst = spec?.ephemeralContainers === undefined;
  const patch = isFirst
    ? [{ op: 'add' as const, path: '/spec/ephemeralContainers', value: [container] }]
    : [{ op: 'add' as const, path: '/spec/ephemeralContainers/-', value: container }];
  try {
    const options = { subresource: 'ephemeralcontainers', resourceVersion, permit, repeat: false };
    return { pod: await client.patch(pods, namespace, name, patch, options) };
  } catch (error) {
    if (!(error instanceof ApiError) || error.status >= 500) throw error;
    if (error.isConflict || error.status === 429) return 'later';
    if (error.isNotFound && error.details.name === name) return { outcome: { result: 'gone' } };
    return { outcome: { result: 'refused', message: explained(error) } };
  }
}

/** What would help is not in the API server's words. */
function explained(error: ApiError): string {
  const { message, isForbidden, isNotFound } = error;
  if (isNotFound) return `the cluster knows no ephemeral containers: ${message}`;
  if (isForbidden && /PodSecurity/i.test(message))
    return `a sidecar needs NET_ADMIN, which the namespace's Pod Security level forbids: ${message}`;
  if (isForbidden && message.includes('ephemeralcontainers'))
    return `the controller may not add ephemeral containers (patch pods/ephemeralcontainers), or something forbids it: ${message}`;
  return `the API server refuses the sidecar: ${message}`;
}
