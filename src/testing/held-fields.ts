import type { Injection, TargetState } from '../api/injection.js';
import type { Surroundings } from '../controller/api-steps/handler.js';
import { horizontalPodAutoscalers, resources } from '../controller/api-steps/objects.js';
import { setFields } from '../controller/api-steps/set-fields.js';
import { StoppedError } from '../controller/context.js';
import type { FieldChange, ObjectRef, SetFields } from '../faults/step.js';
import { Client } from '../kubernetes/client.js';
import { clusterAt } from '../kubernetes/kubeconfig.js';
import { deployments, type Json, nodes } from '../kubernetes/resource.js';
import { createTransport, type Transport } from '../kubernetes/transport.js';
import { type Cluster, startCluster } from '../sandbox/cluster.js';
import { anInjection } from './builders.js';
import { until } from './scripted-server.js';

/** A cluster with objects whose fields faults can hold. */
export class FieldsBench {
  readonly client: Client;
  #made = 0;

  private constructor(
    readonly cluster: Cluster,
    readonly transport: Transport,
  ) {
    this.client = new Client(transport);
  }

  static async open(): Promise<FieldsBench> {
    const cluster = await startCluster({ nodes: 2, simulated: true });
    const limits = { userAgent: 'test', qps: 1_000, burst: 1_000 };
    return new FieldsBench(cluster, createTransport(clusterAt(cluster.url), limits));
  }

  async close(): Promise<void> {
    this.transport.close();
    await this.cluster.stop();
  }

  /** What people and other controllers can see of an object, without what changes with every write. */
  async seen({ kind, namespace, name }: ObjectRef): Promise<Json> {
    const { metadata, spec } = await this.client.get(resources[kind], namespace || undefined, name);
    const { labels, annotations } = metadata;
    return { labels, annotations, spec };
  }

  async node(spec: Json = {}, annotations?: Json): Promise<ObjectRef> {
    this.#made += 1;
    const name = `node-${this.#made}`;
    const metadata = { name, ...(annotations && { annotations }) };
    const stored: Json = await this.client.create(nodes, { metadata, spec });
    return { kind: 'Node', namespace: '', name, uid: stored.metadata.uid };
  }

  /** A Deployment that has its pods, unless it is paused. */
  async deployment(replicas: number, more: Json = {}): Promise<ObjectRef> {
    this.#made += 1;
    const metadata = { name: `web-${this.#made}`, namespace: 'default' };
    const labels = { app: metadata.name };
    const template = { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'busybox:1' }] } };
    const spec = { replicas, selector: { matchLabels: labels }, template, ...more };
    const stored: Json = await this.client.create(deployments, { metadata, spec });
    const count = () => this.cluster.store.get('deployments.apps', 'default', metadata.name)?.status?.replicas ?? 0;
    if (!more.paused) await until(() => count() === replicas, `${replicas} replicas of ${metadata.name}`);
    return { kind: 'Deployment', ...metadata, uid: stored.metadata.uid };
  }

  async autoscaler({ name }: ObjectRef, bounds: Json): Promise<ObjectRef> {
    const spec = { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name }, ...bounds };
    const metadata = { name: `scales-${name}`, namespace: 'default' };
    const stored: Json = await this.client.create(horizontalPodAutoscalers, { metadata, spec });
    return { kind: 'HorizontalPodAutoscaler', ...metadata, uid: stored.metadata.uid };
  }

  /** A client after each write of which an autoscaler has looked at its workload. */
  watchedBy({ namespace, name }: ObjectRef): Client {
    const { transport, cluster } = this;
    const look = async () => {
      cluster.store.update('horizontalpodautoscalers.autoscaling', namespace, name, (draft) => {
        draft.status = { ...draft.status, looked: (draft.status?.looked ?? 0) + 1 };
      });
      await new Promise((resolve) => setTimeout(resolve, 25));
    };
    return new Client({
      clock: transport.clock,
      server: transport.server,
      namespace: transport.namespace,
      request: async (options) => {
        const answer = await transport.request(options);
        if (options.method !== 'GET') await look();
        return answer;
      },
      watch: (options) => transport.watch(options),
      close: () => {},
    });
  }

  /** A fault that is on. */
  async held(object: ObjectRef, changes: FieldChange[], options: HeldFieldsOptions = {}): Promise<HeldFields> {
    const fault = this.fault(object, changes, options);
    await fault.prepare();
    const attempt = await fault.apply();
    if (attempt.result !== 'done') throw new Error(`it is not on: ${JSON.stringify(attempt)}`);
    return fault;
  }

  /** A fault that nothing was done for yet. */
  fault(object: ObjectRef, changes: FieldChange[], options: HeldFieldsOptions = {}): HeldFields {
    return new HeldFields(object, changes, { client: this.client, ...options });
  }
}

interface HeldFieldsOptions {
  mark?: string;
  client?: Client;
}

/** What a reconciler does with one step; it may forget everything but this at any point. */
export class HeldFields {
  readonly step: SetFields;
  undo: unknown = null;
  state: TargetState = 'Applying';
  permitted = true;

  constructor(
    readonly object: ObjectRef,
    changes: FieldChange[],
    readonly options: HeldFieldsOptions & { client: Client },
  ) {
    this.step = { do: 'setFields', object, changes };
  }

  get where(): Surroundings {
    const { client, mark = '0a1b2c3d' } = this.options;
    const target = { kind: 'Node' as const, namespace: '', name: this.object.name, uid: this.object.uid ?? '' };
    const injection: Injection = anInjection({ step: 'hold', targets: [target] }, [this.state]);
    const permit = () => {
      if (!this.permitted) throw new StoppedError('halted');
    };
    return { client, injection, target, mark, permit, protectionIn: () => ({ against: () => undefined }) };
  }

  async prepare() {
    const prepared = await setFields.prepare(this.step, this.where);
    // It is stored as JSON.
    if ('undo' in prepared) this.undo = JSON.parse(JSON.stringify(prepared.undo));
    return prepared;
  }

  async apply() {
    const attempt = await setFields.apply(this.step, this.undo, this.where);
    if (attempt.result === 'done') this.state = 'Confirmed';
    return attempt;
  }

  inspect() {
    return setFields.inspect(this.step, this.undo, this.where);
  }

  revert() {
    return setFields.revert(this.step, this.undo, this.where);
  }
}
