import type { Client } from '../../kubernetes/client.js';
import { ApiError } from '../../kubernetes/errors.js';
import { inParallel } from '../../kubernetes/parallel.js';
import type { KubeObject } from '../../kubernetes/resource.js';
import { Contents, type LeftOut } from './contents.js';
import { type PlanKind, type PlanKindName, planKinds } from './kinds.js';
import { pick } from './picks.js';

/** From so many objects of a kind on, people are told how far the reading is. */
const REPORTED_COUNT = 2_000;

/** The API server is asked for so many kinds at the same time. */
const KINDS_AT_ONCE = 6;

/** Where to read from. */
export interface ReadOptions {
  client: Client;
  systemNamespace: string;
  /** Only these, for what is not of the whole cluster; undefined: all. */
  namespaces: readonly string[] | undefined;
}

/** A page of objects of one kind, with no more of each than a plan needs. */
export interface ReadPage {
  items: KubeObject[];
  /** Where; undefined: in all namespaces. */
  namespace: string | undefined;
  /** Forget the pages before, of there: the list has started again. */
  restarted: boolean;
}

/** Reads all that a plan needs from a live cluster, in pages; what may not be read is left out, and said. */
export async function readContents(options: ReadOptions, onProgress: (line: string) => void): Promise<Contents> {
  const { client, systemNamespace, namespaces } = options;
  const version = await serverVersion(client);
  const contents = new Contents(client.clock.now(), version, systemNamespace, namespaces);
  const names = Object.keys(planKinds) as PlanKindName[];
  await inParallel(KINDS_AT_ONCE, names, async (name) => {
    const { where, leftOut } = await readable(name, options);
    contents.leftOut.push(...leftOut);
    let count = 0;
    for await (const { items, namespace, restarted } of pagesOf(name, where, client)) {
      if (restarted) contents.drop(name, namespace);
      contents.add(name, items);
      count += items.length;
      if (count >= REPORTED_COUNT) onProgress(`Reading ${planKinds[name].resource.plural}: ${count}`);
    }
  });
  contents.leftOut.sort((a, b) => names.indexOf(a.kind) - names.indexOf(b.kind));
  return contents;
}

/** Where a kind can be read, and what of it can't be. */
export async function readable(
  name: PlanKindName,
  options: ReadOptions,
): Promise<{ where: (string | undefined)[]; leftOut: LeftOut[] }> {
  const found: { where: (string | undefined)[]; leftOut: LeftOut[] } = { where: [], leftOut: [] };
  const { resource } = planKinds[name];
  const attempt = async (namespace: string | undefined) => {
    const why = await options.client.list(resource, { namespace, limit: 1 }).then(() => undefined, whyUnread);
    if (why === undefined) found.where.push(namespace);
    else found.leftOut.push({ kind: name, why });
    return why === undefined;
  };
  for (const namespace of whereOf(planKinds[name], options)) {
    const isRead = await attempt(namespace);
    // Whoever may not see all pods may see those of the namespace that is meant.
    if (!isRead && namespace === undefined && resource.namespaced)
      for (const each of options.namespaces ?? []) await attempt(each);
  }
  return found;
}

/** The pages of one kind, in the order of the API server, each sorted by namespace and name. */
export async function* pagesOf(
  name: PlanKindName,
  where: readonly (string | undefined)[],
  client: Client,
): AsyncGenerator<ReadPage> {
  const kind: PlanKind = planKinds[name];
  for (const namespace of where) {
    for await (const { items, restarted } of client.listAll(kind.resource, { namespace })) {
      const wanted = kind.unless ? items.filter((object) => !kind.unless?.(object)) : items;
      yield { items: wanted.map((object) => pick(object, kind.keep)).sort(byName), namespace, restarted };
    }
  }
}

/** The namespaces that a kind is listed in, one after the other; undefined: all at once. */
function whereOf({ from, resource }: PlanKind, options: ReadOptions): (string | undefined)[] {
  if (!resource.namespaced || from === 'Cluster') return [undefined];
  if (from === 'System') return [options.systemNamespace];
  return options.namespaces ? [...options.namespaces] : [undefined];
}

/** What the API server calls itself; `unknown` where it does not tell everybody. */
export async function serverVersion(client: Client): Promise<string> {
  try {
    const { body } = await client.transport.request({ method: 'GET', path: '/version', timeoutMs: 5_000 });
    return String((body as { gitVersion?: unknown }).gitVersion ?? 'unknown');
  } catch (error) {
    whyUnread(error);
    return 'unknown';
  }
}

/** Why something may not be read, in words. @throws what is no answer about that */
function whyUnread(error: unknown): string {
  if (error instanceof ApiError && error.isForbidden) return error.message;
  if (error instanceof ApiError && error.isNotFound) return 'the cluster does not serve them';
  throw error;
}

function byName({ metadata: a }: KubeObject, { metadata: b }: KubeObject): number {
  const order = compare(a.namespace ?? '', b.namespace ?? '');
  return order !== 0 ? order : compare(a.name ?? '', b.name ?? '');
}

function compare(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
