import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { createAccount, grantTo } from '../../testing/identities.js';
import { hasKubectl, type Kubectl, kubectlFor } from '../../testing/kubectl.js';
import { startTestServer, type TestServer } from './test-server.js';

jest.setTimeout(30_000);

const describeWithKubectl = hasKubectl() ? describe : describe.skip;
const CHAOS = '--as=system:serviceaccount:shop:chaos -n shop';

let server: TestServer;
let kubectl: Kubectl;

describeWithKubectl('kubectl', () => {
  beforeAll(async () => {
    server = await startTestServer();
    kubectl = kubectlFor(server.url);
    server.store.create('namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } });
    createAccount(server.store, 'shop', 'chaos');
    grantTo(server.store, 'shop/chaos', 'shop', [{ apiGroups: [''], resources: ['pods'], verbs: ['list', 'delete'] }]);
  });

  afterAll(async () => {
    kubectl?.remove();
    await server?.close();
  });

  test('auth can-i asks for the admin and for others', async () => {
    expect((await kubectl('auth can-i delete nodes')).stdout).toBe('yes\n');
    expect((await kubectl(`auth can-i delete pods ${CHAOS}`)).stdout).toBe('yes\n');
    const refused = await kubectl(`auth can-i patch nodes ${CHAOS}`);
    expect([refused.code, refused.stdout]).toEqual([1, 'no\n']);
    const table = (await kubectl(`auth can-i --list ${CHAOS}`)).stdout;
    expect(table).toMatch(/^pods +\[\] +\[\] +\[list delete\]$/m);
  });

  test('auth whoami names the user', async () => {
    expect((await kubectl('auth whoami')).stdout).toMatch(/Username +system:admin\n/);
    expect((await kubectl(`auth whoami ${CHAOS}`)).stdout).toContain(
      '[system:serviceaccounts system:serviceaccounts:shop',
    );
  });

  test('is refused what the user may not', async () => {
    expect((await kubectl(`get pods ${CHAOS}`)).code).toBe(0);
    expect((await kubectl(`get secrets ${CHAOS}`)).stderr).toBe(
      'Error from server (Forbidden): secrets is forbidden: User "system:serviceaccount:shop:chaos" cannot list resource "secrets" in API group "" in the namespace "shop"\n',
    );
  });

  test('creates accounts, roles, bindings and tokens', async () => {
    for (const command of [
      'create namespace bank',
      'create serviceaccount teller -n bank',
      'create role counter --verb=get,list --resource=pods -n bank',
      'create rolebinding counter --role=counter --serviceaccount=bank:teller -n bank',
      'create clusterrole drainer --verb=patch --resource=nodes',
      'create clusterrolebinding drainer --clusterrole=drainer --group=ops',
    ]) {
      expect(await kubectl(command)).toMatchObject({ code: 0, stderr: '' });
    }
    const { stdout } = await kubectl('create token teller -n bank');
    // A kubectl sends no token over plain HTTP.
    const headers = { authorization: `Bearer ${stdout.trim()}` };
    expect((await server.call('GET', '/api/v1/namespaces/bank/pods', undefined, headers)).code).toBe(200);
    expect((await server.call('GET', '/api/v1/namespaces/shop/pods', undefined, headers)).code).toBe(403);
    expect((await kubectl('auth can-i patch nodes --as=jane --as-group=ops')).stdout).toBe('yes\n');
    expect((await kubectl('auth can-i patch nodes --as=jane --as-group=dev')).stdout).toBe('no\n');
  });
});
