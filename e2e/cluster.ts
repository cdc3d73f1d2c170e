import { mkdtemp, rm } from 'node:fs/promises';
import { connect as openSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExperimentRun } from '../src/api/experiment-run.js';
import { CONTROLLER_LEASE } from '../src/api/labels.js';
import { kinds } from '../src/catalogue.js';
import { type Connection, connect } from '../src/cli/connect.js';
import { controllerLeads } from '../src/cli/controller-watch.js';
import { installCrds } from '../src/cli/install-crds.js';
import { experimentRuns } from '../src/controller/resources.js';
import { ensure } from '../src/kubernetes/apply.js';
import type { Client } from '../src/kubernetes/client.js';
import { ApiError } from '../src/kubernetes/errors.js';
import { type KubeObject, leases, namespaces, type Resource } from '../src/kubernetes/resource.js';
import { type Ended, end, eventually, type Started, start, startSquall } from './processes.js';
import { account, deployment, service } from './workload.js';

const crds: Resource = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  namespaced: false,
};
const deployments: Resource = { group: 'apps', version: 'v1', plural: 'deployments', namespaced: true };
const services: Resource = { group: '', version: 'v1', plural: 'services', namespaced: true };

/** A cluster with a Squall controller that runs as a process of this machine. */
export interface TestCluster {
  /** Whether it is a real one, named by KUBECONFIG, rather than the embedded one. */
  isReal: boolean;
  client: Client;
  kubeconfig: string;
  /** Where the workloads of the tests are; made for them and removed at the end. */
  namespace: string;
  otherNamespace: string;
  systemNamespace: string;
  /** Why probes can't reach Services from here; undefined when they can. */
  unreachable: string | undefined;
  /** Whether there is a kubectl. */
  hasKubectl: boolean;
  controller: Started;
  startController(): Promise<void>;
  /** Starts `squall` with the cluster's options. */
  start(args: readonly string[], input?: string): Started;
  squall(args: readonly string[], input?: string): Promise<Ended>;
  kubectl(...args: string[]): Promise<Ended>;
  /** Deploys a workload, with a Service when asked for, and waits until its pods are Ready. */
  deploy(name: string, replicas: number, options?: { service: boolean }): Promise<void>;
  stop(): Promise<void>;
}

/**
 * The kubeconfig of a real cluster to test on; undefined for the embedded one. Only `npm run e2e` goes to where KUBECONFIG
 * points: nobody expects `npm test` to kill pods there, or to halt every experiment.
 */
export function realCluster(): string | undefined {
  const { KUBECONFIG, SQUALL_E2E, npm_lifecycle_event } = process.env;
  return (SQUALL_E2E === 'cluster' || npm_lifecycle_event === 'e2e') && KUBECONFIG ? KUBECONFIG : undefined;
}

/** Starts the embedded cluster, or prepares the one that KUBECONFIG names. */
export async function startTestCluster(): Promise<TestCluster> {
  const folder = await mkdtemp(join(tmpdir(), 'squall-e2e-'));
  const real = realCluster();
  const kubeconfig = real || join(folder, 'kubeconfig');
  const suffix = Math.random().toString(36).slice(2, 8);
  const names = {
    namespace: `squall-e2e-${suffix}`,
    otherNamespace: `squall-e2e-${suffix}-other`,
    systemNamespace: `squall-e2e-${suffix}-system`,
  };
  const sandbox = real
    ? undefined
    : startSquall(['sandbox', '--nodes', '2', '--isolation', 'loopback', '--kubeconfig', kubeconfig]);
  const cleanups = [() => rm(folder, { recursive: true, force: true }), () => end(sandbox)];
  const stop = async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  };
  try {
    await sandbox?.says(/^ready$/m);
    const connection = await connect({ kubeconfig, systemNamespace: names.systemNamespace }, 'e2e');
    cleanups.push(async () => connection.close());
    if (real) await refuseSecondController(connection);
    cleanups.push(() => removeCrds(connection.client, missing));
    const missing = await missingCrds(connection.client);
    await installCrds(connection.client);
    for (const name of Object.values(names)) {
      cleanups.push(() => removeNamespace(connection.client, name));
      await connection.client.create(namespaces, { metadata: { name } });
      for (const object of account(name)) await ensure(connection.client, object);
    }
    const cluster = testCluster({ ...names, kubeconfig, isReal: Boolean(real) }, connection, stop);
    cleanups.push(() => end(cluster.controller));
    cleanups.push(() => endRuns(connection.client, names));
    await cluster.startController();
    await findLimits(cluster);
    return cluster;
  } catch (error) {
    await stop();
    throw error;
  }
}

type Facts = Pick<TestCluster, 'namespace' | 'otherNamespace' | 'systemNamespace' | 'kubeconfig' | 'isReal'>;

function testCluster(facts: Facts, connection: Connection, stop: () => Promise<void>): TestCluster {
  const options = ['--kubeconfig', facts.kubeconfig, '--system-namespace', facts.systemNamespace];
  const startHere = (args: readonly string[], input?: string) =>
    startSquall([...options, ...args], input === undefined ? {} : { input });
  let controller: Started | undefined;
  return {
    ...facts,
    client: connection.client,
    unreachable: undefined,
    hasKubectl: false,
    get controller() {
      if (!controller) throw new Error('no controller was started');
      return controller;
    },
    async startController() {
      controller = startHere(['controller']);
      await eventually(
        () => controllerLeads(connection),
        () => `the controller does not lead: ${controller?.stderr}`,
      );
    },
    start: (args, input) => startHere(['-n', facts.namespace, ...args], input),
    squall: (args, input) => startHere(['-n', facts.namespace, ...args], input).ended,
    kubectl: (...args) => start('kubectl', args, { env: { KUBECONFIG: facts.kubeconfig } }).ended,
    async deploy(name, replicas, options) {
      const { namespace } = facts;
      if (options?.service) await connection.client.create(services, service(namespace, name));
      await connection.client.create(deployments, deployment(namespace, name, replicas));
      await eventually(
        async () => (await connection.client.get(deployments, namespace, name)).status?.readyReplicas === replicas,
        () => `${name} did not become ready`,
        120_000,
      );
    },
    stop,
  };
}

/** Two controllers with Leases of their own would both carry out every run. */
async function refuseSecondController({ client }: Connection): Promise<void> {
  for await (const page of client.listAll(leases)) {
    const held = page.items.find(({ metadata, spec }) => metadata.name === CONTROLLER_LEASE && spec?.holderIdentity);
    if (held) {
      throw new Error(
        `a Squall controller has the Lease ${held.metadata.namespace}/${CONTROLLER_LEASE} of this cluster: these tests start their own, so stop that one first`,
      );
    }
  }
}

async function missingCrds(client: Client): Promise<string[]> {
  const there = (await client.list(crds)).items.map(({ metadata }) => metadata.name);
  return kinds.map(({ plural }) => `${plural}.squall.dev`).filter((name) => !there.includes(name));
}

async function removeCrds(client: Client, names: readonly string[]): Promise<void> {
  for (const name of names) await client.delete(crds, undefined, name).catch(ignoreMissing);
}

/** Finalizers of runs need the controller, so they must be over before it ends. */
async function endRuns(client: Client, { namespace, otherNamespace }: Record<string, string>): Promise<void> {
  for (const each of [namespace, otherNamespace]) {
    const list = async () => (await client.list(experimentRuns, { namespace: each })).items;
    for (const { metadata } of await list())
      await client.delete(experimentRuns, each, metadata.name ?? '').catch(ignoreMissing);
    await eventually(
      async () => (await list()).length === 0,
      () => `runs in ${each} are not deleted`,
    );
  }
}

async function removeNamespace(client: Client, name: string): Promise<void> {
  await client.delete(namespaces, undefined, name).catch(ignoreMissing);
  await eventually(
    () => client.get(namespaces, undefined, name).then(() => false, isMissing),
    () => `namespace ${name} is not gone`,
    120_000,
  );
}

function isMissing(error: unknown): boolean {
  return error instanceof ApiError && error.isNotFound;
}

function ignoreMissing(error: unknown): void {
  if (!isMissing(error)) throw error;
}

/** What can't be tested here, and why, is printed: a test that is passed over in silence looks like a pass. */
async function findLimits(cluster: TestCluster): Promise<void> {
  cluster.hasKubectl = await start('kubectl', ['version', '--client']).ended.then(
    ({ code }) => code === 0,
    () => false,
  );
  if (!cluster.hasKubectl) skipping('kubectl', 'there is no kubectl');
  await cluster.deploy('reach', 1, { service: true });
  const { spec } = await cluster.client.get(services, cluster.namespace, 'reach');
  await eventually(
    () => canConnect(spec.clusterIP, 80),
    () => '',
    5_000,
  ).catch(() => {
    cluster.unreachable = `the Service at ${spec.clusterIP} can't be reached from this machine: run it inside the cluster's network`;
    skipping('http probes', cluster.unreachable);
  });
}

function skipping(what: string, why: string): void {
  process.stderr.write(`e2e: skipping the tests of ${what}: ${why}\n`);
}

function canConnect(host: string, port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = openSocket({ host, port, timeout: 2_000 });
    const finish = (connected: boolean) => () => {
      socket.destroy();
      done(connected);
    };
    socket.once('connect', finish(true)).once('error', finish(false)).once('timeout', finish(false));
  });
}

/** The text of a file with these objects, for the standard input of `squall run -`. */
export function manifest(...objects: KubeObject[]): string {
  return objects.map((object) => `---\n${JSON.stringify(object)}\n`).join('');
}

/** Runs an experiment with `squall run - -o json`; `outcome` is what tests compare, with the message that explains it. */
export async function runExperiment(
  cluster: TestCluster,
  experiment: KubeObject,
  ...args: string[]
): Promise<Ended & { run: ExperimentRun; outcome: unknown }> {
  const ended = await cluster.squall(['run', '-', '-o', 'json', ...args], manifest(experiment));
  try {
    const [run] = JSON.parse(ended.stdout);
    const { verdict, reason, message } = run.status;
    return { ...ended, run, outcome: { code: ended.code, verdict, reason, message } };
  } catch {
    throw new Error(`squall run exited with ${ended.code} and no run: ${ended.stderr}${ended.stdout}`);
  }
}
