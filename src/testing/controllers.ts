import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import pino from 'pino';
import type { ExperimentRun } from '../api/experiment-run.js';
import { type Connection, connectTo } from '../cli/connect.js';
import { Controller } from '../controller/controller.js';
import { experimentRuns, injections, safetyPolicies } from '../controller/resources.js';
import type { SidecarImage } from '../controller/sidecars/container.js';
import { Client } from '../kubernetes/client.js';
import { type ClusterConfig, clusterAt } from '../kubernetes/kubeconfig.js';
import { deployments, type Json, type KubeObject, namespaces } from '../kubernetes/resource.js';
import { createTransport } from '../kubernetes/transport.js';
import type { AddressPolicy } from '../probes/address-policy.js';
import { type Cluster, startCluster } from '../sandbox/cluster.js';
import type { ControllerProcessSettings } from './controller-process.js';
import { allowEverything } from './identities.js';
import { install } from './rights.js';
import { until } from './scripted-server.js';

/** A Lease that is lost and taken over soon. */
export const shortLease = { leaseDurationMs: 1_500, renewEveryMs: 300, renewDeadlineMs: 1_000 };

/** The programs of a controller process, made from the sources as they are now. */
export interface ControllerBundle {
  entry: string;
  workerUrl: URL;
  remove(): void;
}

/** Bundles a controller for a process of its own, and the probe worker, into a temporary folder. */
export async function bundleController(): Promise<ControllerBundle> {
  const folder = mkdtempSync(join(tmpdir(), 'squall-controller-'));
  const source = (path: string) => fileURLToPath(new URL(path, import.meta.url));
  await build({
    entryPoints: { controller: source('./controller-process.ts'), 'probe-worker': source('../probes/worker.ts') },
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'warning',
    banner: {
      js: "import { createRequire as squallRequire } from 'node:module'; const require = squallRequire(import.meta.url);",
    },
  });
  return {
    entry: join(folder, 'controller.mjs'),
    workerUrl: pathToFileURL(join(folder, 'probe-worker.mjs')),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** A controller in a process of its own. */
export interface ControllerProcess {
  child: ChildProcess;
  identity: string;
  /** All it has logged so far. */
  log(): string;
  kill(): void;
  ended: Promise<void>;
}

let processes = 0;

/** Starts a controller process against an API server, or a proxy in front of it. */
export function startControllerProcess(
  bundle: ControllerBundle,
  server: string,
  lease = shortLease,
): ControllerProcess {
  processes += 1;
  const identity = `process-${processes}`;
  const settings: ControllerProcessSettings = { server, workerUrl: bundle.workerUrl.href, identity, lease };
  const child = spawn(process.execPath, [bundle.entry, JSON.stringify(settings)], {
    stdio: ['pipe', 'inherit', 'pipe'],
  });
  let text = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const ended = once(child, 'exit').then(() => undefined);
  return { child, identity, log: () => text, kill: () => child.kill('SIGKILL'), ended };
}

/** How a test's controller is made. */
export interface TestControllerOptions {
  server?: string;
  policy?: AddressPolicy;
  lease?: typeof shortLease;
  qps?: number;
  sidecars?: SidecarImage;
}

/** A simulated cluster with Squall's kinds, and what tests do to it. */
export class TestCluster {
  readonly connection: Connection;
  /** The UIDs of all pods that were ever deleted, in order, as often as it happened. */
  readonly deleted: { uid: string; name: string; labels: Record<string, string> }[] = [];
  readonly #stops: (() => Promise<void>)[] = [];
  #installed: ClusterConfig | undefined;
  #controllers = 0;

  /** With `rights: 'None'`, service accounts may do only what the test allows them to. */
  constructor(
    readonly cluster: Cluster,
    readonly workerUrl: URL,
    { rights = 'All' }: { rights?: 'All' | 'None' } = {},
  ) {
    if (rights === 'All') allowEverything(cluster.store);
    this.connection = connectTo(clusterAt(cluster.url), {}, 'test');
    const unsubscribe = cluster.store.subscribe('pods', ({ type, object }) => {
      const { uid = '', name = '', labels = {} } = object.metadata;
      if (type === 'DELETED') this.deleted.push({ uid, name, labels });
    });
    this.#stops.push(async () => {
      unsubscribe();
      this.connection.close();
      await cluster.stop();
    });
  }

  get client() {
    return this.connection.client;
  }

  /** Installs Squall. From now on its controllers have the rights that this gives them, and no others. */
  async install(): Promise<void> {
    this.#installed = await install(this);
  }

  /** Makes a Deployment of pods labelled `app: <name>` and waits until they are Ready. */
  async deploy(
    name: string,
    replicas: number,
    more: { namespace?: string; labels?: Json; pod?: Json } = {},
  ): Promise<void> {
    const { namespace = 'default', labels = {}, pod = {} } = more;
    const spec = {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name, ...labels } },
        spec: { containers: [{ name: 'main', image: 'busybox:1' }], ...pod },
      },
    };
    await this.client.create(deployments, { metadata: { name, namespace }, spec });
    await until(() => this.readyPods(name, namespace).length === replicas, `${replicas} pods of ${name}`, 30_000);
  }

  /** The pods of an app as they are stored. */
  pods(app: string, namespace = 'default'): KubeObject[] {
    return this.cluster.store
      .list('pods', namespace)
      .filter(({ metadata }) => metadata.labels?.app === app) as KubeObject[];
  }

  readyPods(app: string, namespace = 'default'): KubeObject[] {
    return this.pods(app, namespace).filter(
      ({ metadata, status }) =>
        !metadata.deletionTimestamp &&
        status?.conditions?.some(({ type, status: value }: Json) => type === 'Ready' && value === 'True'),
    );
  }

  deletedOf(app: string): string[] {
    return this.deleted.filter(({ labels }) => labels.app === app).map(({ uid }) => uid);
  }

  async createNamespace(name: string): Promise<void> {
    await this.client.create(namespaces, { metadata: { name } });
  }

  async createRun(name: string, template: Json, more: { namespace?: string; seed?: number } = {}): Promise<void> {
    const { namespace = 'default', seed } = more;
    const spec = { template, ...(seed !== undefined && { seed }) };
    await this.client.create(experimentRuns, { metadata: { name, namespace }, spec });
  }

  /** The run as it is stored; undefined when it is gone. */
  run(name: string, namespace = 'default'): ExperimentRun | undefined {
    return this.cluster.store.get('experimentruns.squall.dev', namespace, name) as unknown as ExperimentRun | undefined;
  }

  injections(): Json[] {
    return this.cluster.store.list('injections.squall.dev');
  }

  /** Waits until a run has finished and everything of it is cleared away; returns it. */
  async finished(name: string, options: { namespace?: string; within?: number } = {}): Promise<ExperimentRun> {
    const { namespace = 'default', within = 20_000 } = options;
    const isOver = () => {
      const run = this.run(name, namespace);
      return run?.status?.finishTime !== undefined && !run.metadata.finalizers?.length;
    };
    await until(isOver, `end of ${name}`, within).catch((error: Error) => {
      throw new Error(`${error.message}: ${JSON.stringify(this.run(name, namespace)?.status, undefined, 1)}`);
    });
    const run = this.run(name, namespace) as ExperimentRun;
    await until(
      () => this.injections().every(({ spec }) => spec.run.uid !== run.metadata.uid),
      `injections of ${name}`,
    );
    return run;
  }

  async inStage(name: string, stage: string, namespace = 'default'): Promise<void> {
    const stages = () => this.run(name, namespace)?.status?.stage;
    await until(() => stages() === stage, `stage ${stage} of ${name}`, 20_000).catch((error: Error) => {
      throw new Error(`${error.message}; it is ${JSON.stringify(this.run(name, namespace)?.status)}`);
    });
  }

  async halt(reason: string): Promise<void> {
    await this.client.create(safetyPolicies, { metadata: { name: 'squall-halt' }, spec: { halt: { reason } } });
  }

  async resume(): Promise<void> {
    await this.client.delete(safetyPolicies, undefined, 'squall-halt');
  }

  /** Starts a controller in this process, with a connection of its own; stopped with the cluster unless it was before. */
  controller(options: TestControllerOptions = {}): Controller {
    this.#controllers += 1;
    const identity = `controller-${this.#controllers}`;
    const { server = this.cluster.url, qps = 200 } = options;
    const transport = createTransport(
      { ...clusterAt(server), ...this.#installed, server },
      { userAgent: identity, qps, burst: 2 * qps },
    );
    const controller = new Controller({
      client: new Client(transport),
      namespace: this.connection.systemNamespace,
      identity,
      workerUrl: this.workerUrl,
      policy: options.policy ?? { blockLoopback: false, blocked: [] },
      log: pino({ level: 'silent' }),
      lease: options.lease ?? shortLease,
      ...(options.sidecars && { sidecars: options.sidecars }),
    });
    controller.start();
    let stopped: Promise<void> | undefined;
    const stop = controller.stop.bind(controller);
    controller.stop = () => {
      stopped ??= stop().finally(() => transport.close());
      return stopped;
    };
    this.#stops.unshift(() => controller.stop());
    return controller;
  }

  /** Has something done when the cluster is stopped. */
  onStop(stop: () => Promise<void>): void {
    this.#stops.unshift(stop);
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0)) await stop();
  }
}

/** Starts a simulated cluster in which Squall is installed. */
export async function startTestCluster(
  workerUrl: URL,
  { nodes = 2, ...options }: { nodes?: number; rights?: 'All' | 'None' } = {},
): Promise<TestCluster> {
  const test = new TestCluster(await startCluster({ nodes, simulated: true }), workerUrl, options);
  await test.install().catch(async (error: unknown) => {
    await test.stop();
    throw error;
  });
  return test;
}

/** A step that kills pods of an app at once. */
export function killStep(app: string, more: Json = {}): Json {
  const { targets = {}, pods = {}, podKill = { gracePeriod: '0s' }, name = `kill-${app}`, ...step } = more;
  const selected = pods.names || pods.workload || pods.selector ? {} : { selector: { matchLabels: { app } } };
  return { name, podKill, targets: { pods: { ...selected, minAge: '0s', ...pods }, ...targets }, ...step };
}

/** A probe that holds while at least so many pods of a Deployment are available. */
export function availableProbe(app: string, atLeast: number, more: Json = {}): Json {
  return {
    name: `${app}-available`,
    resource: { apiVersion: 'apps/v1', kind: 'Deployment', name: app, interval: '200ms' },
    expect: { that: `object.status.?availableReplicas.orValue(0) >= ${atLeast}` },
    minSamples: 1,
    ...more,
  };
}

/** Finds an injection's resource for tests that tamper with it. */
export { experimentRuns, injections };
