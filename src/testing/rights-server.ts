import { type Answer, startTestServer, type TestServer } from '../sandbox/server/test-server.js';
import type { Json } from '../sandbox/store/types.js';
import { createAccount, tokenOf } from './identities.js';

/** The account of `shop` that `asChaos` is, as a user. */
export const CHAOS = 'system:serviceaccount:shop:chaos';

type Call = (method: string, path: string, body?: Json, headers?: Record<string, string>) => Promise<Answer>;

/** A sandbox's API server with the namespaces `shop` and `bank`, a pod `shop/web`, and a service account without rights. */
export interface RightsServer extends TestServer {
  /** The token of the account. */
  token: string;
  /** Calls as the account, by its token. */
  asChaos: Call;
  /** Calls as whom the admin impersonates. */
  asUser(user: string, ...call: Parameters<Call>): Promise<Answer>;
}

/** Starts it. The caller closes it. */
export async function startRightsServer(): Promise<RightsServer> {
  const server = await startTestServer();
  for (const name of ['shop', 'bank']) {
    server.store.create('namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  }
  createAccount(server.store, 'shop', 'chaos');
  const containers = [{ name: 'main', image: 'app:1' }];
  const metadata = { name: 'web', namespace: 'shop' };
  server.store.create('pods', { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers } });
  const token = await tokenOf(server.url, 'shop', 'chaos');
  return {
    ...server,
    token,
    asChaos: (method, path, body, headers) =>
      server.call(method, path, body, { authorization: `Bearer ${token}`, ...headers }),
    asUser: (user, method, path, body, headers) =>
      server.call(method, path, body, { 'impersonate-user': user, ...headers }),
  };
}
