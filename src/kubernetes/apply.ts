import type { CallOptions, Client } from './client.js';
import { ApiError } from './errors.js';
import type { KubeObject } from './resource.js';

/**
 * Creates an object, or merges it into the one that is there; for installing CRDs and manifests.
 * @returns what the API server made of it
 * @throws UnknownKindError when the cluster does not serve its kind
 */
export async function ensure(client: Client, object: KubeObject, options: CallOptions = {}): Promise<KubeObject> {
  const { name = '', namespace } = object.metadata;
  const resource = await client.discover(object.apiVersion ?? '', object.kind ?? '', options);
  try {
    return await client.create(resource, object, options);
  } catch (error) {
    if (!(error instanceof ApiError && error.isAlreadyExists)) throw error;
    return client.patch(resource, namespace, name, object, options);
  }
}
