import { selectorText } from '../api/selector.js';
import { ensure } from '../kubernetes/apply.js';
import type { Client } from '../kubernetes/client.js';
import { ApiError } from '../kubernetes/errors.js';
import { type Json, type KubeObject, namespaces, pods } from '../kubernetes/resource.js';
import type { Connection } from './connect.js';
import { type Io, UsageError } from './io.js';
import { readManifests } from './manifest/manifests.js';
import { formatProblem } from './manifest/problem.js';

const READY_WITHIN_MILLISECONDS = 120_000;
const LOOK_EVERY_MILLISECONDS = 100;
const workloads = ['Deployment', 'StatefulSet', 'DaemonSet', 'ReplicaSet', 'Pod'];

/**
 * Applies the manifests of files and folders and waits until their workloads are ready.
 *
 * @throws UsageError for a manifest that can't be read or is refused; Error when a workload is not ready within 2 min
 */
export async function deploy(
  { client, namespace }: Connection,
  paths: readonly string[],
  { io, signal }: { io: Io; signal: AbortSignal },
): Promise<void> {
  if (paths.length === 0) return;
  const { documents, others, problems } = await readManifests(paths);
  if (problems.length > 0) throw new UsageError(problems.map(formatProblem).join('\n'));
  const applied: KubeObject[] = [];
  // Namespaces first, as kubectl and Helm order them.
  const sorted = [...others, ...documents].sort(
    (a, b) => Number(b.object.kind === 'Namespace') - Number(a.object.kind === 'Namespace'),
  );
  for (const { file, line, object } of sorted) {
    signal.throwIfAborted();
    applied.push(await apply(client, object, namespace).catch((error: unknown) => refused(error, `${file}:${line}`)));
  }
  const awaited = applied.filter(({ kind }) => workloads.includes(kind ?? ''));
  io.stderr.write(`Applied ${applied.length} objects, waiting for ${awaited.length} workloads\n`);
  for (const object of awaited) await untilReady(client, object, signal);
}

async function apply(client: Client, object: KubeObject, fallback: string): Promise<KubeObject> {
  const resource = await client.discover(object.apiVersion ?? '', object.kind ?? '');
  const namespace = object.metadata.namespace ?? fallback;
  if (resource.namespaced) await createNamespace(client, namespace);
  const placed = resource.namespaced ? { ...object, metadata: { ...object.metadata, namespace } } : object;
  return { ...(await ensure(client, placed)), apiVersion: object.apiVersion ?? '', kind: object.kind ?? '' };
}

async function createNamespace(client: Client, name: string): Promise<void> {
  await client.get(namespaces, undefined, name).catch(async (error: unknown) => {
    if (!(error instanceof ApiError && error.isNotFound)) throw error;
    await client.create(namespaces, { metadata: { name } });
  });
}

function refused(error: unknown, where: string): never {
  throw error instanceof ApiError ? new UsageError(`${where}: ${error.message}`) : error;
}

/**
 * Waits until a workload is ready.
 *
 * @throws Error when it is not within 2 min
 */
export async function untilReady(client: Client, object: KubeObject, signal: AbortSignal): Promise<void> {
  const resource = await client.discover(object.apiVersion ?? '', object.kind ?? '');
  const { namespace, name = '' } = object.metadata;
  const deadline = performance.now() + READY_WITHIN_MILLISECONDS;
  for (;;) {
    signal.throwIfAborted();
    const now: KubeObject = { ...(await client.get(resource, namespace, name)), kind: object.kind ?? '' };
    if (isReady(now)) return;
    if (performance.now() > deadline) {
      const why = (await stuckPods(client, now)) || openConditions(now);
      throw new Error(`${object.kind} ${namespace}/${name} was not ready within 2 minutes: ${why}`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MILLISECONDS));
  }
}

/** What the pods of a workload are waiting for, in the kubelet's words; empty when they say nothing. */
async function stuckPods(client: Client, object: KubeObject): Promise<string> {
  const items = object.kind === 'Pod' ? [object] : await podsOf(client, object);
  const reasons = items.flatMap(({ metadata: pod, status }) =>
    (status?.containerStatuses ?? []).flatMap(({ state, lastState }: Json) => {
      const waiting = state?.waiting;
      if (!waiting) return [];
      const last = lastState?.terminated ? `, ended last with code ${lastState.terminated.exitCode}` : '';
      return [`${pod.name}: ${waiting.reason}${waiting.message ? ` (${waiting.message})` : ''}${last}`];
    }),
  );
  return reasons.slice(0, 3).join('; ');
}

async function podsOf(client: Client, { metadata, spec }: KubeObject): Promise<KubeObject[]> {
  const labelSelector = selectorText(spec?.selector ?? {});
  if (labelSelector === '') return [];
  return (await client.list(pods, { namespace: metadata.namespace, labelSelector, limit: 20 })).items;
}

/** What an object says of itself that is not as it should be. */
function openConditions({ status }: KubeObject): string {
  const open = (status?.conditions ?? []).filter(({ status: value }: Json) => value !== 'True');
  const words = open.map(({ type, message }: Json) => (message ? `${type}: ${message}` : `not ${type}`));
  return words.join('; ') || 'its status does not say why';
}

function isReady({ kind, spec, status, metadata }: KubeObject): boolean {
  // One that has done its work is never Ready again.
  if (kind === 'Pod' && status?.phase === 'Succeeded') return true;
  if (kind === 'Pod')
    return status?.conditions?.some(({ type, status: value }: Json) => type === 'Ready' && value === 'True') ?? false;
  if (status?.observedGeneration !== undefined && status.observedGeneration < (metadata.generation ?? 0)) return false;
  if (kind === 'DaemonSet')
    return status?.desiredNumberScheduled !== undefined && status.numberReady === status.desiredNumberScheduled;
  return (status?.readyReplicas ?? 0) >= (spec?.replicas ?? 1);
}
