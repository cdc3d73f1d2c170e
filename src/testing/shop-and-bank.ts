import type { ExperimentRun } from '../api/experiment-run.js';
import { addressPolicy } from '../cli/connect.js';
import type { Controller } from '../controller/controller.js';
import type { Client } from '../kubernetes/client.js';
import { ApiError } from '../kubernetes/errors.js';
import { endpointSlices, type Json, type KubeObject, services } from '../kubernetes/resource.js';
import { availableProbe, experimentRuns, killStep, startTestCluster, type TestCluster } from './controllers.js';
import { createAccount, grantTo } from './identities.js';
import { namespaceAdmin } from './rights.js';

/** What a Secret and a ConfigMap named `password` hold in both namespaces. */
export const SECRET = 'hunter2-of-the-shop';
/** Where another API server of the cluster would be. */
export const OTHER_SERVER = '10.1.2.3:6443';

/**
 * Two namespaces and a controller that acts with the roles of an installation. Mallory has the whole of `shop`, Squall's
 * kinds and their status included, and nothing of `bank`. In each the account `chaos` may kill pods and read Deployments.
 */
export class ShopAndBank {
  #controller: Controller | undefined;

  private constructor(
    readonly cluster: TestCluster,
    readonly mallory: Client,
  ) {}

  /** Starts all of it. */
  static async start(workerUrl: URL): Promise<ShopAndBank> {
    const cluster = await startTestCluster(workerUrl, { rights: 'None' });
    for (const namespace of ['shop', 'bank']) await furnish(cluster, namespace);
    await createServerService(cluster);
    const scene = new ShopAndBank(cluster, await namespaceAdmin(cluster, 'mallory', 'shop'));
    await scene.startController();
    return scene;
  }

  /** Starts the controller. */
  async startController(): Promise<void> {
    const { cluster } = this;
    const policy = await addressPolicy(cluster.connection);
    this.#controller = cluster.controller({ policy });
  }

  async stopController(): Promise<void> {
    await this.#controller?.stop();
  }

  /** What Mallory gets when she makes a run in `shop`. */
  async run(name: string, template: Json, more: Json = {}): Promise<ExperimentRun> {
    const { metadata, ...others } = more;
    await this.create(name, template, { metadata, ...others });
    return this.cluster.finished(name, { namespace: 'shop' });
  }

  /** Has Mallory make a run in `shop`. */
  create(name: string, template: Json, { metadata, ...others }: Json = {}): Promise<KubeObject> {
    const own = { name, namespace: 'shop', ...metadata };
    return this.mallory.create<KubeObject>(experimentRuns, { metadata: own, spec: { template }, ...others });
  }

  /** UIDs of the pods of the bank. */
  victims(): (string | undefined)[] {
    return this.cluster.readyPods('web', 'bank').map(({ metadata }) => metadata.uid);
  }

  /** All that can be read of runs: their status, and the events. */
  visible(): string {
    const { store } = this.cluster.cluster;
    const statuses = store.list('experimentruns.squall.dev').map(({ status }) => status);
    return JSON.stringify([...statuses, ...store.list('events')]);
  }
}

/** Kills one pod of an app in the name of an account that may, and looks at its Deployment. */
export function killing(app: string, more: Json = {}): Json {
  return {
    serviceAccountName: 'chaos',
    hypothesis: [availableProbe(app, app === 'web' ? 1 : 0)],
    method: [killStep(app)],
    ...more,
  };
}

/** How the API server answered: `admitted`, or the status code and its words. */
export function answerTo(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'admitted',
    (error: unknown) => (error instanceof ApiError ? `${error.status} ${error.message}` : String(error)),
  );
}

async function furnish(cluster: TestCluster, namespace: string): Promise<void> {
  await cluster.createNamespace(namespace);
  const { store } = cluster.cluster;
  const metadata = { name: 'password', namespace };
  for (const kind of ['Secret', 'ConfigMap'])
    store.create(`${kind.toLowerCase()}s`, { apiVersion: 'v1', kind, metadata, data: { value: SECRET } });
  createAccount(store, namespace, 'chaos');
  grantTo(store, `${namespace}/chaos`, namespace, [
    { apiGroups: [''], resources: ['pods'], verbs: ['delete'] },
    { apiGroups: ['apps'], resources: ['deployments'], verbs: ['get'] },
  ]);
  await cluster.deploy('web', 3, { namespace });
}

/** The Service of the API server, which real clusters have, with an endpoint that is another server. */
async function createServerService({ client }: TestCluster): Promise<void> {
  const metadata = { name: 'kubernetes', namespace: 'default' };
  const [address, port] = OTHER_SERVER.split(':');
  await client.create<KubeObject>(services, { metadata, spec: { ports: [{ name: 'https', port: 443 }] } });
  await client.create<KubeObject>(endpointSlices, {
    metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 'kubernetes' } },
    addressType: 'IPv4',
    ports: [{ name: 'https', port: Number(port) }],
    endpoints: [{ addresses: [address] }],
  });
}
