import type { Client } from '../src/kubernetes/client.js';
import { leases, nodes } from '../src/kubernetes/resource.js';

/** Creates a node that is Ready without a kubelet: its Lease is valid for longer than anything is measured. */
export async function createNode(client: Client, name: string, labels: Record<string, string> = {}): Promise<void> {
  const metadata = { name, namespace: 'kube-node-lease' };
  const renewTime = new Date().toISOString().replace('Z', '000Z');
  await client.create(leases, { metadata, spec: { holderIdentity: name, leaseDurationSeconds: 3_600, renewTime } });
  await client.create(nodes, { metadata: { name, labels } });
  await client.patchStatus(nodes, undefined, name, { conditions: [{ type: 'Ready', status: 'True' }] });
}
