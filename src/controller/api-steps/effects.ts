import { selectorText } from '../../api/selector.js';
import type { Client } from '../../kubernetes/client.js';
import { type KubeObject, pods } from '../../kubernetes/resource.js';
import type { HeldField } from './fields.js';

/** Whether fields that have our values show the effect that the fault promises. */
export async function effectOf(client: Client, object: KubeObject, fields: readonly HeldField[]): Promise<boolean> {
  const replicas = fields.find(({ field }) => field === 'spec.replicas');
  return replicas ? isScaled(client, object, replicas) : true;
}

/** The workload's controller has seen the count and made it true; of those too many not even a terminating one is left. */
async function isScaled(
  client: Client,
  { metadata, spec, status }: KubeObject,
  { before, ours }: HeldField,
): Promise<boolean> {
  const isSeen = (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0);
  if (!isSeen || (status?.replicas ?? 0) !== ours) return false;
  if (ours >= before) return true;
  const { namespace } = metadata;
  const labelSelector = selectorText(spec?.selector ?? {});
  for await (const { items } of client.listAll(pods, { namespace, labelSelector })) {
    if (items.some((pod) => pod.metadata.deletionTimestamp)) return false;
  }
  return true;
}
