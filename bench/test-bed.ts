import { type ChildProcess, fork } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DEFAULT_NAMESPACE } from '../src/api/labels.js';
import type { Connection } from '../src/cli/connect.js';
import { awaitController } from '../src/cli/controller-watch.js';
import { installCrds } from '../src/cli/install-crds.js';
import { Client } from '../src/kubernetes/client.js';
import { clusterAt } from '../src/kubernetes/kubeconfig.js';
import { namespaces } from '../src/kubernetes/resource.js';
import { createTransport } from '../src/kubernetes/transport.js';
import { ended, squall, startNode, temporaryFolder, track } from './processes.js';
import type { PodBatch, SandboxMessage } from './sandbox-messages.js';

/** The namespace that runs are made in. */
export const BENCH_NAMESPACE = 'bench';
/** A namespace no run looks at. */
export const OTHER_NAMESPACE = 'elsewhere';

/** A cluster in a process of its own, so that what is measured does not share a thread with it. */
export interface TestBed {
  /** A client that no rate limit holds back. */
  client: Client;
  /** The API server. */
  url: string;
  /** Creates pods and waits until they are Ready. */
  createPods(batch: PodBatch): Promise<void>;
  /** Starts a controller in a process of its own, at will with another way to the API server, and waits until it leads. */
  startController(server?: string): Promise<ChildProcess>;
  /** The path of a kubeconfig, at will with another way to the API server. */
  kubeconfig(server?: string): string;
  /** Ends a controller in order, so that the next one need not wait for its Lease to run out. */
  stopController(controller: ChildProcess): Promise<void>;
}

/** Does some work on a test bed, and takes that away whatever comes of the work. */
export async function withTestBed<T>(
  work: (bed: TestBed) => Promise<T>,
  pods: 'simulated' | 'real' = 'simulated',
): Promise<T> {
  const sandbox = track(fork(new URL('./bench-sandbox.js', import.meta.url), [pods]));
  try {
    const started = await nextMessage(sandbox, (message) => 'url' in message && message);
    return await onCluster(sandbox, started.url, started.kubeconfig, work);
  } finally {
    sandbox.kill('SIGKILL');
    await ended(sandbox);
  }
}

async function onCluster<T>(
  sandbox: ChildProcess,
  url: string,
  kubeconfig: string,
  work: (bed: TestBed) => Promise<T>,
): Promise<T> {
  const cluster = clusterAt(url);
  const transport = createTransport(cluster, { userAgent: 'squall-bench', qps: 1_000_000, burst: 1_000_000 });
  const client = new Client(transport);
  const connection: Connection = {
    client,
    cluster,
    namespace: BENCH_NAMESPACE,
    systemNamespace: DEFAULT_NAMESPACE,
    close: () => transport.close(),
  };
  const controllers = new Set<ChildProcess>();
  const bed: TestBed = {
    client,
    url,
    async createPods(batch) {
      sandbox.send(batch);
      await nextMessage(sandbox, (message) => 'ready' in message && message.ready === batch.prefix);
    },
    kubeconfig(server = url) {
      const path = join(temporaryFolder(), 'kubeconfig');
      writeFileSync(path, kubeconfig.replace(url, server), { mode: 0o600 });
      return path;
    },
    async startController(server) {
      const controller = startNode([squall, 'controller', '--kubeconfig', bed.kubeconfig(server)]);
      controllers.add(controller);
      await awaitController(connection);
      return controller;
    },
    async stopController(controller) {
      controller.kill('SIGTERM');
      await ended(controller);
    },
  };
  try {
    await installCrds(client);
    for (const name of [BENCH_NAMESPACE, OTHER_NAMESPACE, DEFAULT_NAMESPACE])
      await client.create(namespaces, { metadata: { name } });
    return await work(bed);
  } finally {
    for (const controller of controllers) controller.kill('SIGKILL');
    connection.close();
  }
}

/** The next message that is wanted; rejects when the process ends before it. */
function nextMessage<T>(child: ChildProcess, wanted: (message: SandboxMessage) => T | false): Promise<T> {
  return new Promise((resolve, reject) => {
    const onMessage = (message: unknown) => {
      const found = wanted(message as SandboxMessage);
      if (found === false) return;
      child.off('message', onMessage).off('exit', onExit);
      resolve(found);
    };
    const onExit = (code: number | null) => reject(new Error(`the sandbox ended with ${code}`));
    child.on('message', onMessage).on('exit', onExit);
  });
}
