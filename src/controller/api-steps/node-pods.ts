import { LABEL_PART_OF, LABEL_PROTECTED, PART_OF } from '../../api/labels.js';
import { type DrainPlan, daemonSetOf, type NodePod, planDrain } from '../../domain/drain.js';
import type { EmptyNode } from '../../faults/step.js';
import type { Client } from '../../kubernetes/client.js';
import { inParallel } from '../../kubernetes/parallel.js';
import { daemonSets, type Json, type KubeObject, namespaces, pods, splitKey } from '../../kubernetes/resource.js';
import type { Surroundings } from './handler.js';
import { present } from './outcome.js';

/** On the mirrors of static pods; see https://kubernetes.io/docs/reference/labels-annotations-taints/ */
const ANNOTATION_MIRROR = 'kubernetes.io/config.mirror';
const READS_AT_ONCE = 16;

/** A pod on a node that is to be emptied. */
export interface DrainedPod extends NodePod {
  /** Seconds that it may take to end, once it was asked to. */
  graceSeconds: number | undefined;
  /** When it should have ended, in milliseconds since the epoch; undefined: it is not on its way out. */
  endsAt: number | undefined;
  finalizers: readonly string[];
  labels: Readonly<Record<string, string>>;
}

/** What was read beside the pods, and holds while their node is emptied. */
export interface NodeSurroundings {
  /** By `namespace/name`, whether a DaemonSet is there. */
  daemonSets: Map<string, boolean>;
  /** The labels of namespaces. */
  namespaces: Map<string, Readonly<Record<string, string>>>;
}

/** Reads the pods of a node and says which of them go. What is read beside them is kept in `known`. */
export async function readDrainPlan(
  { node, unmanaged, emptyDirData }: EmptyNode,
  { client, protectionIn }: Pick<Surroundings, 'client' | 'protectionIn'>,
  known: NodeSurroundings,
): Promise<DrainPlan<DrainedPod>> {
  const found: DrainedPod[] = [];
  for await (const { items, restarted } of client.listAll(pods, { fieldSelector: `spec.nodeName=${node}` })) {
    if (restarted) found.length = 0;
    for (const pod of items) found.push(projectNodePod(pod, () => false));
  }
  await readBeside(client, found, known);
  const protections = new Map(
    [...known.namespaces].map(([name, labels]) => [name, protectionIn({ name, labels })] as const),
  );
  const marked = found.map((pod) =>
    protections.get(pod.namespace)?.against(pod) === undefined ? pod : { ...pod, protected: true },
  );
  const daemonSetsThere = new Set([...known.daemonSets].flatMap(([name, isThere]) => (isThere ? [name] : [])));
  return planDrain(marked, { unmanaged, emptyDirData, daemonSets: daemonSetsThere });
}

async function readBeside(client: Client, found: readonly DrainedPod[], known: NodeSurroundings): Promise<void> {
  const owners = new Set(found.flatMap((pod) => daemonSetOf(pod) ?? []));
  const spaces = new Set(found.map(({ namespace }) => namespace));
  const reads = [
    ...[...owners]
      .filter((owner) => !known.daemonSets.has(owner))
      .map((owner) => async () => {
        known.daemonSets.set(owner, await isThere(client, owner));
      }),
    ...[...spaces]
      .filter((name) => !known.namespaces.has(name))
      .map((name) => async () => {
        const space = await present(client.get(namespaces, undefined, name));
        known.namespaces.set(name, space?.metadata.labels ?? {});
      }),
  ];
  await inParallel(READS_AT_ONCE, reads, (read) => read());
}

async function isThere(client: Client, daemonSet: string): Promise<boolean> {
  const { namespace, name } = splitKey(daemonSet);
  return (await present(client.get(daemonSets, namespace, name))) !== undefined;
}

/** Keeps of a pod what a drain of its node looks at. */
export function projectNodePod(
  { metadata, spec, status }: KubeObject,
  isProtected: (namespace: string) => boolean,
): DrainedPod {
  const { namespace = '', labels = {} } = metadata;
  const owner = metadata.ownerReferences?.find(({ controller }) => controller);
  const volumes: Json[] = spec?.volumes ?? [];
  const conditions: Json[] = status?.conditions ?? [];
  const isOurs = labels[LABEL_PROTECTED] === 'true' || labels[LABEL_PART_OF] === PART_OF;
  return {
    namespace,
    name: metadata.name ?? '',
    uid: metadata.uid ?? '',
    createdAt: Date.parse(metadata.creationTimestamp ?? ''),
    ready: conditions.some(({ type, status: value }) => type === 'Ready' && value === 'True'),
    terminating: metadata.deletionTimestamp !== undefined,
    completed: status?.phase === 'Succeeded' || status?.phase === 'Failed',
    mirror: metadata.annotations?.[ANNOTATION_MIRROR] !== undefined,
    emptyDir: volumes.some(({ emptyDir }) => emptyDir !== undefined && emptyDir !== null),
    ...(owner && { controller: { kind: owner.kind, name: owner.name } }),
    protected: isOurs || isProtected(namespace),
    graceSeconds: metadata.deletionGracePeriodSeconds,
    endsAt: metadata.deletionTimestamp === undefined ? undefined : Date.parse(metadata.deletionTimestamp),
    finalizers: metadata.finalizers ?? [],
    labels,
  };
}
