import type { ExperimentRun } from '../api/experiment-run.js';
import type { Injection, Target } from '../api/injection.js';
import type { SafetyPolicySpec } from '../api/safety-policy.js';
import type { Candidate, StepFacts } from '../domain/observed.js';
import { aPod, START } from './builders.js';

/** A run of a trial, and what is known of its steps. */
export interface TrialRun {
  run: ExperimentRun;
  facts: Record<string, StepFacts>;
}

/** Many runs at once, and what goes wrong meanwhile. Chances are from 0 to 1. */
export interface Trial {
  seed: number;
  runs: readonly TrialRun[];
  /** How many pods each app has. */
  replicas: number;
  policy: SafetyPolicySpec;
  /** That the next run is created at a moment. */
  arrival: number;
  /** That a call fails, before or after it was carried out. */
  trouble: number;
  /** That the controller is killed at a moment; what it had sent may arrive later. */
  crash: number;
  /** That a pod goes away at a moment, and another one takes its place. */
  churn: number;
}

/** What is stored under a key, and the version it has. */
export interface Stored<T> {
  version: number;
  object: T;
}

/** A write, as a watch tells of it; without `object` it is gone. */
export interface Change {
  kind: 'run' | 'injection';
  key: string;
  version: number;
  object: ExperimentRun | Injection | undefined;
}

/** The key of a run. */
export const runKey = ({ metadata }: Pick<ExperimentRun, 'metadata'>) => `${metadata.namespace}/${metadata.name}`;

/** The app that a step of a trial names. */
export function appOf({ targets }: ExperimentRun['spec']['template']['method'][number]): string {
  return targets.pods?.selector?.matchLabels?.app ?? '';
}

/** What is stored, and what is really on. */
export class TrialCluster {
  now = START;
  version = 1;
  readonly runs = new Map<string, Stored<ExperimentRun>>();
  readonly injections = new Map<string, Stored<Injection>>();
  readonly pods: Candidate[] = [];
  readonly peaks = new Map<string, number>();
  /** By run, step and target, what a fault is on. */
  readonly #on = new Map<string, { run: string; step: string; target: Target }>();
  #pods = 0;
  onChange: (change: Change) => void = () => {};

  constructor(readonly trial: Trial) {
    const apps = new Set(trial.runs.flatMap(({ run }) => run.spec.template.method.map(appOf)));
    for (const app of apps) for (let index = 0; index < trial.replicas; index += 1) this.grow(app);
  }

  write(kind: 'run' | 'injection', key: string, object: ExperimentRun | Injection | undefined): void {
    this.version += 1;
    const { version } = this;
    const stored = (kind === 'run' ? this.runs : this.injections) as Map<string, Stored<unknown>>;
    if (object) object.metadata.resourceVersion = String(version);
    if (object) stored.set(key, { version, object });
    else stored.delete(key);
    this.onChange({ kind, key, version, object: structuredClone(object) });
  }

  grow(app: string): void {
    this.#pods += 1;
    const node = `n${this.#pods % 3}`;
    const labels = { app };
    this.pods.push(aPod(`${app}-${this.#pods}`, { namespace: app, node, workload: `Deployment/${app}`, labels }));
  }

  /** A pod goes away, and with it every fault that lasts. */
  lose(uid: string): void {
    const place = this.pods.findIndex((pod) => pod.uid === uid);
    const [lost] = place < 0 ? [] : this.pods.splice(place, 1);
    if (lost) this.grow(lost.labels?.app ?? '');
  }

  put(run: string, step: string, target: Target): void {
    this.#on.set(`${run}/${step}/${target.uid}`, { run, step, target });
    for (const [account, targets] of this.#accounts()) {
      this.peaks.set(account, Math.max(this.peaks.get(account) ?? 0, targets.size));
    }
  }

  take(run: string, step: string, uid: string): void {
    this.#on.delete(`${run}/${step}/${uid}`);
  }

  /** What has nothing to take back is over with its step. */
  endStep(run: string, step: string): void {
    for (const [key, each] of this.#on) if (each.run === run && each.step === step) this.#on.delete(key);
  }

  #accounts(): Map<string, Set<string>> {
    const accounts = new Map<string, Set<string>>();
    for (const { target } of this.#on.values()) {
      for (const account of ['Cluster', `Namespace ${target.namespace}`, `Node ${target.node}`]) {
        accounts.set(account, (accounts.get(account) ?? new Set()).add(target.uid));
      }
    }
    return accounts;
  }
}
