import type { Logger } from 'pino';
import { CONTROLLER_LEASE } from '../api/labels.js';
import type { Client } from '../kubernetes/client.js';
import { ApiError } from '../kubernetes/errors.js';
import { EventRecorder } from '../kubernetes/events.js';
import { LeaderElector } from '../kubernetes/lease.js';
import { type ReconcileResult, WorkQueue, type WorkQueueOptions } from '../kubernetes/queue.js';
import { keyOf, splitKey } from '../kubernetes/resource.js';
import type { AddressPolicy } from '../probes/address-policy.js';
import { ProbeRunner } from '../probes/runner.js';
import { Caches } from './caches.js';
import { RunTargets } from './candidates/run-targets.js';
import { type Context, NotLeadingError, queueKey, StoppedError } from './context.js';
import { ExperimentReconciler } from './experiments/experiment-reconciler.js';
import { experimentOf } from './experiments/experiment-runs.js';
import { guardedClient } from './guarded-client.js';
import { InjectionReconciler } from './injections/injection-reconciler.js';
import { NodeWatch } from './node-watch.js';
import { probePorts } from './probe-ports.js';
import { Prober } from './prober.js';
import type { FinishedRun, LiveRun } from './projections.js';
import { RunReconciler } from './run-reconciler.js';
import { RunRecords } from './run-records.js';
import { Ledger } from './safeguards/ledger.js';
import type { SidecarImage } from './sidecars/container.js';
import { survey } from './survey.js';
import { Surveyor } from './surveyor.js';

/** How many objects are worked on at once. */
const WORKERS = 8;
/** A run loop that makes no progress for this long does not renew its Lease, so that another controller can take over. */
const STUCK_MILLISECONDS = 20_000;
/** After losing the Lease for this long, nothing is kept in case it comes back. */
const FORGET_MILLISECONDS = 90_000;

/** How a controller is made. */
export interface ControllerOptions {
  client: Client;
  /** Squall's own namespace. */
  namespace: string;
  /** Unique to this process. */
  identity: string;
  /** The bundle of the probe worker. */
  workerUrl: URL;
  /** Where probes must not go. */
  policy: AddressPolicy;
  log: Logger;
  /** What sidecars run from; left out: there can be none. */
  sidecars?: SidecarImage;
  /** The node that this process runs on; left out: it is not known, as outside of a cluster. */
  node?: string;
  /** For tests: a shorter Lease. Milliseconds. */
  lease?: { leaseDurationMs: number; renewEveryMs: number; renewDeadlineMs: number };
}

/**
 * Watches runs and carries them on while it leads. It can be killed at any point and started again: what it needs to
 * know is in the objects.
 */
export class Controller {
  readonly #options: ControllerOptions;
  readonly #context: Context;
  readonly #runs: RunReconciler;
  readonly #injections: InjectionReconciler;
  readonly #experiments: ExperimentReconciler;
  readonly #queue: WorkQueue;
  /** Experiments have workers of their own: thousands that are due at once must not hold up a halt. */
  readonly #schedules: WorkQueue;
  readonly #elector: LeaderElector;
  readonly #runner: ProbeRunner;
  #synced: Promise<void> | undefined;
  #forget: NodeJS.Timeout | undefined;

  constructor(options: ControllerOptions) {
    this.#options = options;
    const { client, namespace, identity, log } = options;
    const onError = (error: unknown) => log.warn({ err: describe(error) }, 'API server could not be watched');
    const caches = new Caches(client, namespace, onError);
    this.#runner = new ProbeRunner({ workerUrl: options.workerUrl, policy: options.policy, ports: probePorts(client) });
    const leading = guardedClient(client, () => {
      if (!this.#elector.isLeader()) throw new NotLeadingError('another controller may be acting');
    });
    this.#context = {
      client: leading,
      namespace,
      caches,
      log,
      sidecars: options.sidecars,
      targets: new RunTargets(client, (uid) => this.#enqueueRun(uid), onError, options.node),
      nodes: new NodeWatch(client, namespace, (uid) => this.#enqueueRun(uid), onError),
      surveyor: new Surveyor(
        (run) => survey(this.#context, run),
        () => client.clock.now(),
        (uid) => this.#enqueueRun(uid),
        (error) => log.warn({ err: describe(error) }, 'Rights and safeguards could not be read; will try again'),
      ),
      ledger: new Ledger(caches),
      prober: new Prober(this.#runner, () => client.clock.now()),
      events: new EventRecorder({
        client: leading,
        component: 'squall-controller',
        instance: identity,
        onError: (error) => log.debug({ err: describe(error) }, 'Event could not be written'),
      }),
      records: new RunRecords(caches),
    };
    this.#runs = new RunReconciler(this.#context);
    this.#injections = new InjectionReconciler(this.#context);
    this.#experiments = new ExperimentReconciler(this.#context);
    const work: WorkQueueOptions = {
      workers: WORKERS,
      reconcile: (key) => this.#reconcile(key),
      backoff: { baseMs: 50, maxMs: 10_000 },
      onError: (key, error) => this.#report(key, error),
    };
    this.#queue = new WorkQueue(work);
    this.#schedules = new WorkQueue(work);
    this.#elector = new LeaderElector({
      client,
      namespace,
      name: CONTROLLER_LEASE,
      identity,
      ...options.lease,
      canRenew: () => performance.now() - this.#lastProgress() < STUCK_MILLISECONDS,
      onAcquired: ({ continued }) => this.#lead(continued),
      onLost: () => this.#stopLeading(),
      onError: (error) => log.warn({ err: describe(error) }, 'Lease could not be renewed or read'),
    });
    this.#listen();
  }

  /** Begins to stand by, and to act as soon as it leads. Returns at once. */
  start(): void {
    this.#elector.start();
  }

  /** Whether it leads and knows everything it needs to act. */
  isLeading(): boolean {
    return this.#elector.isLeader() && this.#synced !== undefined;
  }

  /** What is held for runs that are under way: all 0 when there is none. */
  busy(): { runs: number; watches: number; nodes: number; probes: number; injections: number; keys: number } {
    const { records, targets, nodes, prober } = this.#context;
    return {
      runs: records.size,
      watches: targets.size,
      nodes: nodes.size,
      probes: prober.size,
      injections: this.#injections.size,
      keys: this.#queue.length + this.#schedules.length,
    };
  }

  /** Finishes what is under way, hands over, and ends. Runs are left as they are, for the next one to carry on. */
  async stop(): Promise<void> {
    clearTimeout(this.#forget);
    await Promise.all([this.#queue.stop(), this.#schedules.stop()]);
    this.#context.prober.stopAll();
    this.#context.targets.stopAll();
    this.#context.nodes.stopAll();
    this.#context.surveyor.stopAll();
    await this.#runner.close();
    await this.#context.caches.stop();
    await this.#context.events.flush();
    await this.#elector.stop();
  }

  #lastProgress(): number {
    return Math.min(this.#queue.lastProgress(), this.#schedules.lastProgress());
  }

  #lead(continued: boolean): void {
    clearTimeout(this.#forget);
    this.#options.log.info({ continued }, 'Leading');
    if (!continued) this.#reset();
    this.#synced ??= this.#context.caches.start();
    this.#synced.then(
      () => this.#enqueueAll(),
      () => {},
    );
  }

  #stopLeading(): void {
    this.#options.log.info({}, 'Not leading any more');
    // If nobody else takes over we go on where we were, with all samples taken meanwhile.
    this.#forget = setTimeout(() => this.#reset(), FORGET_MILLISECONDS);
    this.#forget.unref();
  }

  #reset(): void {
    this.#runs.reset();
    this.#injections.reset();
    this.#experiments.reset();
    this.#context.prober.stopAll();
    this.#context.targets.stopAll();
    this.#context.nodes.stopAll();
    this.#context.surveyor.stopAll();
    this.#context.ledger.reset();
  }

  async #reconcile(key: string): Promise<ReconcileResult | undefined> {
    if (!this.#elector.isLeader()) return undefined;
    await this.#synced;
    const [kind, name = ''] = key.split('|');
    if (kind === 'run') return this.#runs.reconcile(name);
    if (kind === 'injection') return this.#injections.reconcile(name);
    return this.#experiments.reconcile(name);
  }

  #listen(): void {
    const { runs, injections, policies, experiments } = this.#context.caches;
    runs.onChange((key, next, previous) => this.#runChanged(key, next, previous));
    injections.onChange((key, next, previous) => {
      this.#queue.add(queueKey('injection', key));
      const run = (next ?? previous)?.spec.run;
      if (run) this.#queue.add(queueKey('run', keyOf(run.namespace, run.name)));
    });
    policies.onChange(() => {
      for (const run of runs.list()) if (!run.finished) this.#enqueueRun(run.uid);
      // When the next run starts depends on the windows, freezes and halts of policies.
      for (const { metadata } of experiments.list())
        this.#schedules.add(queueKey('experiment', keyOf(metadata.namespace, metadata.name)));
    });
    experiments.onChange((key) => this.#schedules.add(queueKey('experiment', key)));
  }

  #runChanged(key: string, next: LiveRun | FinishedRun | undefined, previous: LiveRun | FinishedRun | undefined): void {
    this.#queue.add(queueKey('run', key));
    const known = next ?? previous;
    if (!known) return;
    // What a run does while it is under way is no news for its experiment.
    const isNews = !next || !previous || next.finished;
    const experiment = experimentOf(splitKey(key).namespace, known);
    if (experiment && isNews) this.#schedules.add(queueKey('experiment', experiment));
    if (next && !next.finished) return;
    for (const injection of this.#context.caches.injectionsOf(known.uid)) {
      this.#queue.add(queueKey('injection', keyOf(injection.metadata.namespace, injection.metadata.name)));
    }
  }

  #enqueueRun(uid: string): void {
    const found = this.#context.caches.runs.list().find((run) => run.uid === uid);
    if (!found || found.finished) return;
    this.#queue.add(queueKey('run', keyOf(found.run.metadata.namespace, found.run.metadata.name)));
    for (const { metadata } of this.#context.caches.injectionsOf(uid)) {
      this.#queue.add(queueKey('injection', keyOf(metadata.namespace, metadata.name)));
    }
  }

  #enqueueAll(): void {
    const { runs, injections, experiments } = this.#context.caches;
    for (const run of runs.list()) if (!run.finished) this.#enqueueRun(run.uid);
    for (const { metadata } of injections.list())
      this.#queue.add(queueKey('injection', keyOf(metadata.namespace, metadata.name)));
    for (const { metadata } of experiments.list())
      this.#schedules.add(queueKey('experiment', keyOf(metadata.namespace, metadata.name)));
  }

  /** A lost race is no error: the watch brings what we had not seen. */
  #report(key: string, error: unknown): void {
    const isRace =
      error instanceof NotLeadingError ||
      error instanceof StoppedError ||
      (error instanceof ApiError && error.isConflict);
    const [kind, name] = key.split('|');
    if (isRace) this.#options.log.debug({ kind, name, err: describe(error) }, 'Will look again');
    else this.#options.log.warn({ kind, name, err: describe(error) }, 'Could not reconcile; will try again');
  }
}

/** What of an error goes into the log: its message, never what was sent. */
function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
