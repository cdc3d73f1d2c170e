import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { AGENT_LEASE_PREFIX, DEFAULT_NAMESPACE } from '../api/labels.js';
import { agentAdmission } from '../cli/install/admission.js';
import { roles } from '../cli/install/roles.js';
import { ensure } from '../kubernetes/apply.js';
import { type KubeObject, pods } from '../kubernetes/resource.js';
import { AgentLab } from '../testing/agents.js';
import { tokenOf } from '../testing/identities.js';

let lab: AgentLab;

beforeAll(async () => {
  lab = await AgentLab.start();
  for (const object of [...roles(DEFAULT_NAMESPACE, true), ...agentAdmission(DEFAULT_NAMESPACE)])
    await ensure(lab.client, object);
  const spec = {
    nodeName: 'n1',
    serviceAccountName: 'squall-agent',
    containers: [{ name: 'agent', image: 'squall:1' }],
  };
  await lab.client.create<KubeObject>(pods, { metadata: { name: 'agent-n1', namespace: DEFAULT_NAMESPACE }, spec });
  const Authorization = `Bearer ${await tokenOf(lab.cluster.url, DEFAULT_NAMESPACE, 'squall-agent', 'agent-n1')}`;
  await lab.agent({ credentials: async () => ({ headers: { Authorization }, tls: {} }) });
}, 30_000);

afterAll(() => lab?.stop());

test('the installed role and the token of its pod are enough for an agent, and the policy admits it', async () => {
  await lab.inject('pause', [await lab.pod('web')]);
  await lab.reach('pause', ['Effective']);
  await lab.revert('pause');
  await lab.reach('pause', ['Reverted']);
  const lease = lab.cluster.store.get('leases.coordination.k8s.io', DEFAULT_NAMESPACE, `${AGENT_LEASE_PREFIX}n1`);
  expect(lease?.metadata.annotations).toHaveProperty(['squall.dev/abilities']);
});
