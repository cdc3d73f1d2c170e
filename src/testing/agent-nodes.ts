import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { Agent } from '../agent/agent.js';
import type { Abilities } from '../faults/abilities.js';
import { Client } from '../kubernetes/client.js';
import { clusterAt } from '../kubernetes/kubeconfig.js';
import { nodes } from '../kubernetes/resource.js';
import { createTransport } from '../kubernetes/transport.js';
import { quickTimes } from './agents.js';
import type { TestCluster } from './controllers.js';
import { SimulatedNode } from './simulated-node.js';

/** A node of a test cluster with an agent on it, and all that can happen to both. */
export class AgentNode {
  readonly node = new SimulatedNode();
  /** What its agent says instead of what the node can do. */
  abilities: Partial<Abilities> = {};
  readonly #folder = mkdtempSync(join(tmpdir(), 'squall-agent-node-'));
  #agent: { agent: Agent; close(): void } | undefined;
  #agents = 0;

  constructor(
    readonly cluster: TestCluster,
    readonly name: string,
  ) {
    const unsubscribe = cluster.cluster.store.subscribe('pods', ({ type, object }) => {
      const { uid = '' } = object.metadata;
      if (object.spec.nodeName !== name) return;
      if (type === 'DELETED') this.node.end(uid);
      else if (object.status?.podIP && !this.node.namespaces.has(uid)) this.node.run(uid);
    });
    cluster.onStop(async () => {
      unsubscribe();
      await this.stopAgent();
      rmSync(this.#folder, { recursive: true, force: true });
    });
  }

  /** Starts an agent, which takes over from the one before. */
  async startAgent(): Promise<void> {
    this.#agents += 1;
    await this.boot(this.node.bootId);
    const transport = createTransport(clusterAt(this.cluster.cluster.url), {
      userAgent: 'agent',
      qps: 1_000,
      burst: 1_000,
    });
    const agent = new Agent({
      client: new Client(transport),
      namespace: this.cluster.connection.systemNamespace,
      node: this.name,
      identity: `${this.name}-${this.#agents}`,
      directory: this.#folder,
      places: this.node.places,
      handlers: this.node.handlers,
      run: async () => ({ code: 0, stdout: '[]', stderr: '' }),
      tryAbilities: async () => ({ ...this.node.abilities, ...this.abilities }),
      missingCapabilities: async () => [],
      log: pino({ level: process.env.SQUALL_TEST_LOG ?? 'silent' }),
      times: quickTimes,
    });
    this.#agent = { agent, close: () => transport.close() };
    await agent.start();
  }

  /** Ends the agent; what is on stays on. */
  async stopAgent(): Promise<void> {
    const running = this.#agent;
    this.#agent = undefined;
    await running?.agent.stop();
    running?.close();
  }

  /** The node was started with this boot id; everything that was on it is gone when it is another one than before. */
  async boot(bootId: string): Promise<void> {
    if (bootId !== this.node.bootId) for (const uid of this.node.namespaces.keys()) this.node.end(uid);
    this.node.bootId = bootId;
    await this.cluster.client.patchStatus(nodes, undefined, this.name, { nodeInfo: { bootID: bootId } });
  }
}
