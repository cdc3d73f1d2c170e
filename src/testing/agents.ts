import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { Agent, type AgentOptions, type OpenJournal } from '../agent/agent.js';
import { Journal, type JournalRecord } from '../agent/journal.js';
import type { Injection, InjectionSpec, TargetStatus } from '../api/injection.js';
import { CONTROLLER_LEASE, DEFAULT_NAMESPACE, LABEL_NODE } from '../api/labels.js';
import { type Connection, connectTo } from '../cli/connect.js';
import { installCrds } from '../cli/install-crds.js';
import { ensureNamespace } from '../cli/start-controller.js';
import { Client } from '../kubernetes/client.js';
import { type ClusterConfig, clusterAt } from '../kubernetes/kubeconfig.js';
import { injections, type Json, type KubeObject, leases, pods } from '../kubernetes/resource.js';
import { createTransport } from '../kubernetes/transport.js';
import { type Cluster, startCluster } from '../sandbox/cluster.js';
import { type CrashProxy, startCrashProxy } from './crash-proxy.js';
import { endingWith, Life } from './life.js';
import { until } from './scripted-server.js';
import { SimulatedNode } from './simulated-node.js';

/** Everything is noticed within a second or two. */
export const quickTimes = {
  deadMan: { grace: 1_500, every: 200, patience: 300 },
  heartbeat: { duration: 4_000, every: 500 },
  holds: { every: 200, atOnce: 4 },
};

/** An agent of a simulated node, with a way to the API server of its own. */
export interface TestAgent {
  agent: Agent;
  proxy: CrashProxy;
  life: Life;
  /** As SIGKILL would: nothing of it goes on, and what it began is left. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

/** How a test's agent is made. */
export interface TestAgentOptions {
  end?: Life['end'];
  times?: AgentOptions['times'];
  folder?: string;
  /** As whom it acts; left out: the admin. */
  credentials?: ClusterConfig['credentials'];
}

/** A simulated cluster with a node, its agents one after another, and a controller's Lease. */
export class AgentLab {
  readonly connection: Connection;
  readonly node = new SimulatedNode();
  readonly folder = mkdtempSync(join(tmpdir(), 'squall-agent-'));
  readonly #agents: TestAgent[] = [];
  #renewing: NodeJS.Timeout | undefined;

  constructor(readonly cluster: Cluster) {
    this.connection = connectTo(clusterAt(cluster.url), {}, 'test');
  }

  get client(): Client {
    return this.connection.client;
  }

  /** Starts a simulated cluster with Squall's kinds, and a controller that is alive. */
  static async start(): Promise<AgentLab> {
    const lab = new AgentLab(await startCluster({ nodes: 1, simulated: true }));
    await installCrds(lab.client);
    await ensureNamespace(lab.connection);
    await lab.client.create(leases, {
      metadata: { name: CONTROLLER_LEASE, namespace: DEFAULT_NAMESPACE },
      spec: { holderIdentity: 'a controller', leaseDurationSeconds: 15 },
    });
    await lab.startController();
    return lab;
  }

  /** Has the controller's Lease renewed from now on. */
  async startController(): Promise<void> {
    await this.#renew();
    this.#renewing = setInterval(() => void this.#renew().catch(() => {}), 200);
  }

  /** The controller gives no more sign of life. */
  stopController(): void {
    clearInterval(this.#renewing);
  }

  async #renew(): Promise<void> {
    const renewTime = this.client.clock.microTime();
    await this.client.patch(leases, DEFAULT_NAMESPACE, CONTROLLER_LEASE, { spec: { renewTime } });
  }

  /** Starts an agent; it ends with the lab unless it did before. */
  async agent(options: TestAgentOptions = {}): Promise<TestAgent> {
    const proxy = await startCrashProxy(this.cluster.url);
    const as = { ...clusterAt(proxy.url), ...(options.credentials && { credentials: options.credentials }) };
    const transport = createTransport(as, { userAgent: 'agent', qps: 10_000, burst: 10_000 });
    const life = new Life();
    life.end = options.end;
    let journal: Journal | undefined;
    const openJournal = async (directory: string): Promise<OpenJournal> => {
      journal = await Journal.open(directory);
      return life.of(journal);
    };
    const mortal = life.of(endingWith(life, transport));
    const agent = new Agent({
      client: new Client(mortal),
      namespace: DEFAULT_NAMESPACE,
      node: 'n1',
      identity: `agent-${this.#agents.length}`,
      directory: options.folder ?? this.folder,
      places: life.of(this.node.places),
      handlers: Object.fromEntries(
        Object.entries(this.node.handlers).map(([kind, handler]) => [kind, life.of(handler)]),
      ),
      run: async () => ({ code: 0, stdout: '[]', stderr: '' }),
      tryAbilities: async () => this.node.abilities,
      missingCapabilities: async () => [],
      log: pino({ level: process.env.SQUALL_TEST_LOG ?? 'silent' }),
      openJournal,
      timing: life.timing,
      times: options.times ?? quickTimes,
    });
    let ended: Promise<void> | undefined;
    const close = async () => {
      transport.close();
      await proxy.close();
    };
    const made: TestAgent = {
      agent,
      proxy,
      life,
      kill: () => {
        life.over();
        // Only to have its timers end: it can't do anything any more.
        if (!ended) void agent.stop().catch(() => {});
        ended ??= Promise.all([close(), journal?.close()]).then(() => {});
        return ended;
      },
      stop: () => {
        ended ??= agent.stop().then(close);
        return ended;
      },
    };
    const died = new Promise<void>((resolve) => {
      life.onEnd = () => void made.kill().then(resolve);
    });
    this.#agents.push(made);
    await Promise.race([agent.start(), died]);
    return made;
  }

  /** Makes a pod that runs on the node; returns it as the target of an injection. */
  async pod(name: string, isRunning = true): Promise<{ namespace: string; name: string; uid: string }> {
    const spec = { nodeName: 'n1', containers: [{ name: 'main', image: 'busybox:1' }] };
    const { metadata } = await this.client.create<KubeObject>(pods, { metadata: { name, namespace: 'default' }, spec });
    const uid = metadata.uid ?? '';
    if (isRunning) this.node.run(uid);
    return { namespace: 'default', name, uid };
  }

  /** Asks for a fault on targets: `processPause` unless told otherwise. */
  async inject(
    name: string,
    targets: InjectionSpec['targets'],
    more: Partial<InjectionSpec> & Json = { processPause: {} },
  ): Promise<Injection> {
    const spec = {
      run: { namespace: 'default', name: 'a-run', uid: 'run-uid' },
      step: 'a-step',
      agent: 'Node',
      node: 'n1',
      round: 0,
      part: 0,
      parts: 1,
      state: 'Apply',
      targets,
      ...more,
    };
    const metadata = { name, namespace: DEFAULT_NAMESPACE, labels: { [LABEL_NODE]: 'n1' } };
    return this.client.create<KubeObject>(injections, { metadata, spec }) as unknown as Promise<Injection>;
  }

  /** Has the fault of an injection taken back. */
  async revert(name: string): Promise<void> {
    await this.client.patch(injections, DEFAULT_NAMESPACE, name, { spec: { state: 'Revert' } });
  }

  /** An injection as it is stored. */
  injection(name: string): Injection | undefined {
    return this.cluster.store.get('injections.squall.dev', DEFAULT_NAMESPACE, name) as unknown as Injection | undefined;
  }

  /** What is recorded of the targets of an injection. */
  targets(name: string): TargetStatus[] {
    return this.injection(name)?.status?.targets ?? [];
  }

  /** Waits until all targets of an injection are in one of these states. */
  async reach(name: string, states: TargetStatus['state'][], within = 10_000): Promise<TargetStatus[]> {
    const there = () => {
      const injection = this.injection(name);
      const targets = injection?.status?.targets ?? [];
      return targets.length === injection?.spec.targets.length && targets.every(({ state }) => states.includes(state));
    };
    await until(there, `${name} ${states}`, within).catch((error: Error) => {
      const seen = { status: this.injection(name)?.status, effects: [...this.node.effects.values()] };
      throw new Error(`${error.message}: ${JSON.stringify(seen)}`);
    });
    return this.targets(name);
  }

  /** The journal as it is on disk. */
  journalText(): string {
    return readFileSync(join(this.folder, 'journal', 'journal'), 'utf8');
  }

  /** The undo records on disk, of an agent that has ended. */
  async records(): Promise<readonly JournalRecord[]> {
    const journal = await Journal.open(join(this.folder, 'journal'));
    const { records } = journal;
    await journal.close();
    return records;
  }

  async stop(): Promise<void> {
    this.stopController();
    for (const agent of this.#agents) await agent.kill();
    this.connection.close();
    await this.cluster.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
