import { ApiError } from './errors.js';
import { groupPath, type Json, type Resource } from './resource.js';

/** The cluster serves no such kind. */
export class UnknownKindError extends Error {
  override readonly name = 'UnknownKindError';
}

/** Remembers what the cluster serves, one `apiVersion` at a time. */
export class Discovery {
  readonly #served = new Map<string, Resource[]>();

  /**
   * Finds where a kind is served.
   * @param read gets the JSON at a path of the API server
   * @throws UnknownKindError when the cluster does not serve it, and what `read` throws
   */
  async find(apiVersion: string, kind: string, read: (path: string) => Promise<Json>): Promise<Resource> {
    const known = this.#served.get(apiVersion)?.find((resource) => resource.kind === kind);
    if (known) return known;
    const served = await readResources(apiVersion, read);
    // What the cluster does not serve is not remembered: the names come from users and have no end.
    if (served.length > 0) this.#served.set(apiVersion, served);
    const found = served.find((resource) => resource.kind === kind);
    if (found) return found;
    const kinds = served.map((resource) => resource.kind).join(', ');
    const hint = kinds === '' ? `it serves no ${apiVersion}` : `${apiVersion} has ${kinds}`;
    throw new UnknownKindError(`The cluster has no kind ${kind} in ${apiVersion}: ${hint}.`);
  }
}

async function readResources(apiVersion: string, read: (path: string) => Promise<Json>): Promise<Resource[]> {
  const [version = '', group = ''] = apiVersion.split('/').reverse();
  try {
    const list = await read(groupPath(apiVersion));
    return (list.resources ?? [])
      .filter((entry: Json) => !entry.name.includes('/'))
      .map((entry: Json) => ({ group, version, plural: entry.name, namespaced: entry.namespaced, kind: entry.kind }));
  } catch (error) {
    if (error instanceof ApiError && error.isNotFound) return [];
    throw error;
  }
}
