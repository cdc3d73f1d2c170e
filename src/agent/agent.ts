import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Injection, Target, TargetState, TargetStatus } from '../api/injection.js';
import { LABEL_NODE } from '../api/labels.js';
import { nodeMark } from '../api/node-mark.js';
import type { Abilities } from '../faults/abilities.js';
import { faults } from '../faults/index.js';
import type { Client } from '../kubernetes/client.js';
import { EventRecorder, podReference } from '../kubernetes/events.js';
import { WorkQueue } from '../kubernetes/queue.js';
import { Reflector } from '../kubernetes/reflector.js';
import { injections, type KubeObject, splitKey } from '../kubernetes/resource.js';
import { sleep, systemTiming, type Timing } from '../kubernetes/timing.js';
import { readBootMilliseconds } from './boot-clock.js';
import { ControllerWatch, type DeadManTimes, deadManTimes } from './controller-watch.js';
import { DirectoryInUseError } from './directory-lock.js';
import type { Handlers } from './handlers.js';
import { Heartbeat, type HeartbeatTimes, heartbeatTimes } from './heartbeat.js';
import { type HoldTimes, holdTimes } from './holder.js';
import { InjectionWorker } from './injection-worker.js';
import { Journal } from './journal.js';
import type { RunProgram } from './place.js';
import { messageOf, type Places } from './tools.js';

/** How many injections are worked on at once. */
const WORKERS = 8;
/** What a node can do changes when somebody loads a kernel module or updates the node. */
const ABILITIES_MILLISECONDS = 600_000;

/** As long as Kubernetes lets a pod end in order. */
const PREDECESSOR_MILLISECONDS = 30_000;
const LOCK_MILLISECONDS = 500;

/** What an agent asks of its journal. */
export type OpenJournal = Pick<Journal, 'problems' | 'records' | 'intend' | 'clean' | 'close'>;

/** How an agent is made. */
export interface AgentOptions {
  client: Client;
  /** Squall's own namespace. */
  namespace: string;
  /** The node it acts on. */
  node: string;
  /** Unique to this process. */
  identity: string;
  /** Where undo records are kept over restarts; of one agent only. */
  directory: string;
  places: Places;
  handlers: Handlers;
  run: RunProgram;
  /** Finds out what the node can do. */
  tryAbilities(run: RunProgram): Promise<Abilities>;
  /** What the process lacks to work, and what for, in sentences. */
  missingCapabilities(): Promise<string[]>;
  log: Logger;
  /** For tests. */
  timing?: Timing;
  bootMilliseconds?: () => Promise<number>;
  openJournal?: (directory: string) => Promise<OpenJournal>;
  times?: { deadMan?: DeadManTimes; heartbeat?: HeartbeatTimes; holds?: HoldTimes };
}

/**
 * Carries out the injections of one node. It can be killed at any point and started again: what it needs to know is in
 * the undo records on disk and in the objects. It listens on no port.
 */
export class Agent {
  readonly #options: AgentOptions;
  readonly #timing: Timing;
  readonly #events: EventRecorder;
  readonly #reflector: Reflector<Injection>;
  readonly #queue: WorkQueue;
  readonly #abort = new AbortController();
  #abilities: Promise<Abilities> | undefined;
  #parts: { journal: OpenJournal; worker: InjectionWorker; watch: ControllerWatch; heartbeat: Heartbeat } | undefined;
  #isSynced = false;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#timing = options.timing ?? systemTiming;
    const { client, namespace, node, identity, log } = options;
    this.#events = new EventRecorder({
      client,
      component: 'squall-agent',
      instance: identity,
      clock: this.#timing,
      onError: (error) => log.debug({ err: messageOf(error) }, 'Event could not be written'),
    });
    this.#reflector = new Reflector<Injection>({
      client,
      resource: injections,
      namespace,
      labelSelector: `${LABEL_NODE}=${nodeMark(node)}`,
      project: (object: KubeObject) => object as Injection,
      onError: (error) => log.warn({ err: messageOf(error) }, 'API server could not be watched'),
    });
    this.#queue = new WorkQueue({
      workers: WORKERS,
      reconcile: async (key) => this.#parts?.worker.reconcile(key),
      backoff: { baseMs: 50, maxMs: 5_000 },
      clock: this.#timing,
      onError: (key, error) => log.warn({ injection: key, err: messageOf(error) }, 'Injection is tried again'),
    });
  }

  /** Whether it has taken over from the agent before and knows its injections. */
  get isReady(): boolean {
    return this.#isSynced;
  }

  /** What is held in memory: all 0 when there is nothing to do. */
  get busy(): { injections: number; held: number; keys: number } {
    const { injections = 0, held = 0 } = this.#parts?.worker.sizes ?? {};
    return { injections, held, keys: this.#queue.length };
  }

  /**
   * Takes over what is on, and begins to work; the API server need not answer for that.
   * @throws Error when the undo records can't be kept
   */
  async start(): Promise<void> {
    const { log, directory, places, missingCapabilities, run, tryAbilities } = this.#options;
    for (const missing of await missingCapabilities()) log.warn({ missing }, 'The agent lacks a right on the node');
    const bootId = await places.bootId();
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const journal = await this.#openJournal(join(directory, 'journal'));
    for (const problem of journal.problems) log.error({ problem }, 'Undo records were damaged');
    this.#abilities = tryAbilities(run);
    this.#abilities.catch(() => {});
    const { worker, watch } = this.#make(journal, bootId);
    const heartbeat = this.#heartbeat(bootId);
    this.#parts = { journal, worker, watch, heartbeat };
    const adopted = worker.adopt(journal.records);
    if (adopted.length > 0)
      log.info({ records: journal.records.length, injections: adopted }, 'Took over what may be on');
    await watch.start();
    this.#reflector.onChange((key) => this.#queue.add(key));
    this.#reflector.start();
    this.#reflector.synced.then(
      () => this.#ready(adopted),
      () => {},
    );
    void this.#refreshAbilities();
  }

  /** Finishes what is under way, refreshes what is on, and leaves that to the next agent of the node. */
  async stop(): Promise<void> {
    this.#abort.abort();
    if (!this.#parts) return;
    const { journal, worker, watch, heartbeat } = this.#parts;
    await Promise.all([
      worker.settle(),
      this.#queue.stop(),
      watch.stop(),
      heartbeat.stop(),
      this.#reflector.stop(),
      this.#events.flush(2_000),
    ]);
    await worker.leave();
    await journal.close();
  }

  /** The agent before may need a while to end, and nobody else could take over from it in time. */
  async #openJournal(directory: string): Promise<OpenJournal> {
    const { openJournal = Journal.open, log } = this.#options;
    const until = this.#timing.now() + PREDECESSOR_MILLISECONDS;
    for (;;) {
      try {
        return await openJournal(directory);
      } catch (error) {
        const isInUse = error instanceof Error && error.cause instanceof DirectoryInUseError;
        if (!isInUse || this.#timing.now() > until || this.#abort.signal.aborted) throw error;
        log.warn({ directory }, 'Waiting for the agent before to end');
        await sleep(LOCK_MILLISECONDS, this.#timing, this.#abort.signal);
      }
    }
  }

  #make(journal: OpenJournal, bootId: string): { worker: InjectionWorker; watch: ControllerWatch } {
    const { client, namespace, places, handlers, run, log, directory, times } = this.#options;
    const bootMilliseconds = this.#options.bootMilliseconds ?? (() => readBootMilliseconds());
    const timing = this.#timing;
    const watch: ControllerWatch = new ControllerWatch({
      client,
      namespace,
      directory,
      bootId,
      bootMilliseconds,
      times: times?.deadMan ?? deadManTimes,
      timing,
      log,
      isNeeded: () => worker.isLive,
      onLost: (ended) => void worker.endAll(ended),
    });
    const worker = new InjectionWorker({
      client,
      namespace,
      known: (key) => {
        const { namespace: place, name } = splitKey(key);
        return this.#reflector.get(place, name);
      },
      upsert: (injection) => this.#reflector.upsert(injection),
      isSynced: () => this.#isSynced,
      wake: (key, milliseconds = 0) =>
        milliseconds > 0 ? this.#queue.addAfter(key, milliseconds) : this.#queue.add(key),
      isAlive: () => watch.isAlive(),
      onIntent: () => watch.wake(),
      onChange: (injection, target, now) => this.#tell(injection, target, now),
      tools: { client, places, journal, handlers, bootId, bootMilliseconds, abilities: () => this.#known() },
      run,
      holds: times?.holds ?? holdTimes,
      timing,
      log,
    });
    return { worker, watch };
  }

  #heartbeat(bootId: string): Heartbeat {
    const { client, namespace, node, identity, log, times } = this.#options;
    return new Heartbeat({
      client,
      namespace,
      node,
      identity,
      bootId,
      times: times?.heartbeat ?? heartbeatTimes,
      timing: this.#timing,
      abilities: () => this.#known(),
      onError: (error) => log.warn({ err: messageOf(error) }, 'The Lease of the agent could not be renewed'),
    });
  }

  #ready(adopted: readonly string[]): void {
    if (this.#abort.signal.aborted) return;
    this.#isSynced = true;
    for (const key of adopted) this.#queue.add(key);
    this.#parts?.heartbeat.start();
    this.#options.log.info({ node: this.#options.node, injections: this.#reflector.size }, 'Ready');
  }

  #known(): Promise<Abilities> {
    if (!this.#abilities) throw new Error('the agent has not been started');
    return this.#abilities;
  }

  async #refreshAbilities(): Promise<void> {
    const { signal } = this.#abort;
    const { run, tryAbilities, log } = this.#options;
    const lacking = async () => {
      const missing = Object.entries(await this.#known()).filter(([, why]) => why !== '');
      if (missing.length > 0) log.warn({ missing: Object.fromEntries(missing) }, 'The node can not carry all faults');
    };
    await lacking().catch((error: unknown) =>
      log.error({ err: messageOf(error) }, 'What the node can do is not known'),
    );
    for (;;) {
      await sleep(ABILITIES_MILLISECONDS, this.#timing, signal);
      if (signal.aborted) return;
      const found = await tryAbilities(run).catch(() => undefined);
      if (found) this.#abilities = Promise.resolve(found);
    }
  }

  #tell({ spec, metadata }: Injection, target: Target, { state, message = '', drifts }: TargetStatus): void {
    const fault = faults.find(({ name }) => name in spec)?.name ?? 'unknown fault';
    const note = notes[state];
    const pod = `${target.namespace}/${target.name}`;
    this.#options.log.info({ injection: metadata.name, pod, fault, state, message, drifts }, 'Fault');
    if (!note || (state === 'Applying' && drifts === undefined)) return;
    const whose = `${fault} by step '${spec.step}' of run ${spec.run.namespace}/${spec.run.name}`;
    this.#events.record({
      object: podReference(target),
      type: note.type,
      reason: note.reason,
      message: message === '' ? whose : `${whose}: ${message}`,
    });
  }
}

/** What is told on a pod when its fault enters a state. */
const notes: { [State in TargetState]?: { type: 'Normal' | 'Warning'; reason: string } } = {
  Applying: { type: 'Warning', reason: 'FaultVanished' },
  Confirmed: { type: 'Normal', reason: 'FaultInjected' },
  Refused: { type: 'Warning', reason: 'FaultRefused' },
  Failed: { type: 'Warning', reason: 'FaultFailed' },
  Reverted: { type: 'Normal', reason: 'FaultReverted' },
};
