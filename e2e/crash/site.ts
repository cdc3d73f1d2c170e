import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeJournal } from '../../src/agent/journal-format.js';
import type { ExperimentRun } from '../../src/api/experiment-run.js';
import type { Injection } from '../../src/api/injection.js';
import { AGENT_LEASE_PREFIX, CONTROLLER_LEASE } from '../../src/api/labels.js';
import { nodeMark } from '../../src/api/node-mark.js';
import { type LocalCluster, startLocalCluster } from '../../src/cli/local-cluster.js';
import { experimentRuns } from '../../src/controller/resources.js';
import { type Json, type KubeObject, pods } from '../../src/kubernetes/resource.js';
import { allowEverything } from '../../src/testing/identities.js';
import { eventually } from '../processes.js';
import { DoomedProcess } from './doomed-process.js';
import type { CrashFault } from './faults.js';
import { PORT, podProgram } from './pod-program.js';

const services = { group: '', version: 'v1', plural: 'services', namespaced: true };
const statefulSets = { group: 'apps', version: 'v1', plural: 'statefulsets', namespaced: true };
const SYSTEM = 'squall-system';
const WITHIN_MILLISECONDS = 60_000;

/** What all sites of a suite share. */
export interface SuiteFacts {
  preload: string;
  mark: string;
  /** For kubeconfigs and the state of agents. */
  folder: string;
}

/** A cluster with a real controller process, and real agent processes on its nodes. */
export class Site {
  controller: DoomedProcess | undefined;
  /** By node. */
  readonly agents = new Map<string, DoomedProcess>();
  /** The address of a pod that nothing is done to. */
  peer = '';
  readonly #folder: string;
  #numbers = 0;

  private constructor(
    readonly name: string,
    readonly local: LocalCluster,
    readonly facts: SuiteFacts,
  ) {
    this.#folder = join(facts.folder, name);
  }

  static async open(name: string, nodes: number, facts: SuiteFacts): Promise<Site> {
    const local = await startLocalCluster({ nodes, isolation: 'namespaces', controller: false, agents: false });
    allowEverything(local.cluster.store);
    const site = new Site(name, local, facts);
    mkdirSync(site.#folder, { recursive: true });
    writeFileSync(site.#kubeconfig, local.cluster.kubeconfig);
    const spec = { selector: { app: 'peer' }, ports: [{ port: PORT, targetPort: PORT }] };
    await site.client.create<KubeObject>(services, { metadata: { name: 'peer', namespace: 'default' }, spec });
    const peer = await site.startPod('peer', 'n1');
    site.peer = peer.status.podIP;
    return site;
  }

  get client() {
    return this.local.connection.client;
  }

  get store() {
    return this.local.cluster.store;
  }

  get #kubeconfig(): string {
    return join(this.#folder, 'kubeconfig');
  }

  /** A name that no other object of the site has. */
  newName(prefix: string): string {
    this.#numbers += 1;
    return `${prefix.replaceAll(' ', '-')}-${this.#numbers}`;
  }

  /** Starts a controller, and waits until it leads. */
  async startController(): Promise<DoomedProcess> {
    const { preload, mark } = this.facts;
    const controller = new DoomedProcess(preload, mark, ['--kubeconfig', this.#kubeconfig, 'controller']);
    this.controller = controller;
    await controller.says(/"Leading"/);
    return controller;
  }

  /** Nobody has to wait for the Lease of a process that is known to be dead. */
  forgetController(): void {
    this.store.delete('leases.coordination.k8s.io', SYSTEM, CONTROLLER_LEASE, {});
  }

  /** Where the agent of a node keeps its undo records. */
  stateOf(node: string): string {
    return join(this.#folder, node);
  }

  /** Starts the agent of a node, and waits until the API server knows what it can do. */
  async startAgent(node: string, state = this.stateOf(node)): Promise<DoomedProcess> {
    const agent = this.launchAgent(node, state);
    this.agents.set(node, agent);
    const before = this.#leaseOf(node)?.spec?.holderIdentity;
    await agent.says(/"Ready"/);
    await eventually(
      () => agent.hasEnded || ![undefined, before].includes(this.#leaseOf(node)?.spec?.holderIdentity),
      () => `the agent of ${node} sent no heartbeat: ${agent.log.slice(-2_000)}`,
      WITHIN_MILLISECONDS,
    );
    return agent;
  }

  /** What the environment of all processes says that the agents of a node have started. */
  markOf(node: string): string {
    return `${this.facts.mark}-${this.name}-${node}-`;
  }

  /** Starts an agent, and waits for nothing. */
  launchAgent(node: string, state = this.stateOf(node)): DoomedProcess {
    const { preload } = this.facts;
    const args = ['agent', '--node', node, '--server', this.local.cluster.url, '--state', state];
    return new DoomedProcess(preload, this.markOf(node), args);
  }

  #leaseOf(node: string): KubeObject | undefined {
    const name = `${AGENT_LEASE_PREFIX}${nodeMark(node)}`;
    return this.store.get('leases.coordination.k8s.io', SYSTEM, name) as KubeObject | undefined;
  }

  /** The undo records on a node that are open. */
  recordsOf(node: string): number {
    try {
      return decodeJournal(readFileSync(join(this.stateOf(node), 'journal', 'journal'))).open.size;
    } catch {
      return 0;
    }
  }

  /** Starts a pod of its own kind, and waits until it answers. */
  async startPod(name: string, node: string, labels: Record<string, string> = {}): Promise<KubeObject> {
    const metadata = { name, namespace: 'default', labels: { app: name, ...labels } };
    await this.client.create<KubeObject>(pods, { metadata, spec: { nodeName: node, ...podSpec } });
    return this.readyPod(name);
  }

  /** Starts a StatefulSet of one target; its pod is called after it, with `-0` behind. */
  async startStatefulSet(name: string, node: string): Promise<KubeObject> {
    const labels = { app: name };
    const template = { metadata: { labels }, spec: { nodeName: node, ...podSpec } };
    const spec = { replicas: 1, serviceName: name, selector: { matchLabels: labels }, template };
    await this.client.create(statefulSets, { metadata: { name, namespace: 'default' }, spec });
    return this.readyPod(`${name}-0`);
  }

  /** Waits until a pod is Ready that is not the one with this UID. */
  async readyPod(name: string, formerUid?: string): Promise<KubeObject> {
    await eventually(
      () => isReady(this.pod(name)) && this.pod(name)?.metadata.uid !== formerUid,
      () => `pod ${name} is not Ready: ${JSON.stringify(this.pod(name)?.status)}`,
      WITHIN_MILLISECONDS,
    );
    return this.pod(name) as KubeObject;
  }

  pod(name: string): KubeObject | undefined {
    return this.store.get('pods', 'default', name) as KubeObject | undefined;
  }

  async deletePod(name: string): Promise<void> {
    await this.client.delete(pods, 'default', name, { gracePeriodSeconds: 0 });
  }

  /** Takes away what `startPod` or `startStatefulSet` made. */
  async deleteTarget(name: string): Promise<void> {
    await this.client.delete(statefulSets, 'default', name).catch(() => {});
    await this.deletePod(name).catch(() => {});
  }

  /** Begins a run with one fault on one app. */
  async createRun(name: string, app: string, fault: CrashFault, duration: string, step: Json = {}): Promise<void> {
    const targets = this.targetsOf(app);
    const template = {
      hypothesis: [
        {
          name: 'node-there',
          resource: { apiVersion: 'v1', kind: 'Node', name: 'n1', interval: '500ms' },
          expect: { that: 'has(object.status)' },
          minSamples: 1,
        },
      ],
      method: [{ name: 'hit', ...fault.step, targets, ...(!fault.oneShot && { duration }), ...step }],
      timeout: '5m',
    };
    await this.client.create(experimentRuns, { metadata: { name, namespace: 'default' }, spec: { template } });
  }

  /** The pod of one app. */
  targetsOf(app: string): Json {
    return { pods: { selector: { matchLabels: { app } }, minAge: '0s' } };
  }

  run(name: string): ExperimentRun | undefined {
    return this.store.get('experimentruns.squall.dev', 'default', name) as unknown as ExperimentRun | undefined;
  }

  /** The injections of a run that are there. */
  injectionsOf(name: string): Injection[] {
    const all = this.store.list('injections.squall.dev') as unknown as Injection[];
    return all.filter(({ spec }) => spec.run.name === name);
  }

  /** Whether a status says that a fault is on a pod. */
  isClaimed(run: string, uid: string): boolean {
    const targets = this.injectionsOf(run).flatMap(({ status }) => status?.targets ?? []);
    return targets.some((target) => target.uid === uid && ['Confirmed', 'Effective'].includes(target.state));
  }

  async stop(): Promise<void> {
    await Promise.all([this.controller, ...this.agents.values()].map((one) => one?.kill()));
    await this.local.stop();
  }
}

/** What targets are made of. */
export const podSpec = {
  terminationGracePeriodSeconds: 1,
  containers: [{ name: 'main', image: 'node:20', command: [process.execPath, '-e', podProgram] }],
};

/** Whether a pod is Ready. */
export function isReady(pod: Json): boolean {
  return pod?.status?.conditions?.some((one: Json) => one.type === 'Ready' && one.status === 'True') ?? false;
}
