import { timestamp } from '../controllers/objects.js';
import type { PodSandbox } from '../isolation/isolation.js';
import type { Json, KubeObject } from '../store/types.js';
import { Backoff } from './backoff.js';
import type { Launch, ProcessExit } from './container-process.js';
import { type StartedContainer, startContainer } from './container-start.js';
import { ContainerConfigError, containerEnvironment, expandVariables, type PodPlace } from './environment.js';
import { type HandlerTarget, runHandler } from './handlers.js';
import { type ContainerHealth, watchHealth } from './health.js';
import type { KubeletContext } from './kubelet-context.js';
import type { LogBuffer } from './log-buffer.js';

/** What a container needs from the pod it is in. */
export interface ContainerHost {
  context: KubeletContext;
  pod(): KubeObject;
  place: PodPlace;
  sandbox: PodSandbox;
  /** The container's status has changed. */
  changed(): void;
}

const standInCommand = ['sleep', 'infinity'];
const configRetryMilliseconds = 2_000;
/**
 * What the kubelet leaves between SIGTERM and SIGKILL at least: also without a grace period, and when a preStop hook has
 * used it up (`minimumGracePeriodInSeconds` in kuberuntime_manager.go).
 */
const minimumTermMilliseconds = 2_000;

/** One container of a pod, over all its restarts. */
export class Container {
  readonly name: string;
  /** Whether the image's own program would run, of which the sandbox knows nothing: something that sleeps stands in. */
  readonly standIn: boolean;
  state: Json = { waiting: { reason: 'ContainerCreating' } };
  lastState: Json = {};
  restartCount = 0;
  ready = false;
  started = false;
  log: LogBuffer | undefined;
  previousLog: LogBuffer | undefined;
  private current: StartedContainer | undefined;
  private target: HandlerTarget | undefined;
  private containerID: string | undefined;
  private readonly stopping = new AbortController();
  private readonly backoff: Backoff;
  private health: ContainerHealth | undefined;
  private killTimer: NodeJS.Timeout | undefined;
  private termSent = false;
  private runs = 0;
  /** Fires when the process has ended: hooks that still run then are ended too. */
  private ended = new AbortController();

  constructor(
    readonly spec: Json,
    private readonly host: ContainerHost,
    private readonly restartPolicy: 'Always' | 'OnFailure' | 'Never',
  ) {
    this.name = spec.name;
    this.standIn = !(spec.command?.length > 0);
    this.backoff = new Backoff(host.context.backoffFactor);
  }

  /** Runs the container, and again as its restart policy says; resolves with its last exit when it will not run again. */
  async run(): Promise<ProcessExit | undefined> {
    let exit: ProcessExit | undefined;
    while (!this.stopping.signal.aborted) {
      exit = await this.runOnce();
      const again =
        exit === undefined ||
        this.restartPolicy === 'Always' ||
        (this.restartPolicy === 'OnFailure' && exit.code !== 0);
      if (!again || this.stopping.signal.aborted) {
        break;
      }
      await (exit === undefined
        ? this.backoff.sleep(configRetryMilliseconds, this.stopping.signal)
        : this.waitBeforeRestart());
    }
    return exit;
  }

  /**
   * Ends the container: preStop, SIGTERM, and SIGKILL when the grace period is over; without one SIGTERM comes at once. A
   * later call can only shorten it.
   */
  stop(graceSeconds: number, message = `Stopping container ${this.name}`): void {
    const first = !this.stopping.signal.aborted;
    this.stopping.abort();
    this.terminate(graceSeconds, first ? message : undefined);
  }

  /** SIGKILL, now. */
  kill(): void {
    this.stopping.abort();
    this.current?.process.signal('SIGKILL');
  }

  /** The container's entry in the pod's status. */
  status(): Json {
    return {
      name: this.name,
      image: this.spec.image,
      imageID: '',
      containerID: this.containerID,
      state: this.state,
      lastState: this.lastState,
      ready: this.ready,
      started: this.started,
      restartCount: this.restartCount,
    };
  }

  private async runOnce(): Promise<ProcessExit | undefined> {
    const startedAt = Date.now();
    try {
      this.begin(this.prepare());
    } catch (error) {
      // Also what no configuration should contain, such as a NUL in a command: it must not end the sandbox.
      const { message } = error as Error;
      this.set({ waiting: { reason: 'CreateContainerConfigError', message } });
      this.host.context.recorder.warning(this.host.pod(), 'Failed', `Error: ${message}`);
      return undefined;
    }
    const exit = await this.current!.process.exited;
    this.finish(exit, startedAt);
    return exit;
  }

  private prepare(): Launch {
    const { context, pod, place } = this.host;
    if (!this.standIn && this.spec.volumeMounts?.length > 0) {
      throw new ContainerConfigError(
        'the sandbox mounts no volumes: remove volumeMounts, or remove command for a stand-in',
      );
    }
    const environment = containerEnvironment(context.store, pod(), this.spec, place);
    const expand = (text: string) => expandVariables(text, environment);
    return {
      command: this.standIn ? standInCommand : [...this.spec.command, ...(this.spec.args ?? [])].map(expand),
      environment,
      workingDirectory: this.spec.workingDir || context.workingDirectory,
    };
  }

  private begin(launch: Launch): void {
    const { context, pod, place, sandbox } = this.host;
    const current = startContainer(launch, sandbox, context.isolation);
    this.current = current;
    this.previousLog = this.log ?? this.previousLog;
    this.log = current.log;
    this.target = { podIP: place.podIPs[0]!, container: this.spec, start: current.exec };
    this.termSent = false;
    if (this.runs > 0) {
      this.restartCount += 1;
    }
    this.runs += 1;
    this.ended = new AbortController();
    if (current.containerID === undefined) {
      return;
    }
    this.containerID = current.containerID;
    context.recorder.normal(pod(), 'Started', `Started container ${this.name}`);
    this.state = { running: { startedAt: timestamp() } };
    this.host.changed();
    if (current.process.inside === undefined) {
      this.beginHealth(current);
    } else {
      void current.process.inside.then(() => this.beginHealth(current));
    }
  }

  private beginHealth(current: StartedContainer): void {
    if (current === this.current && this.state.running && !this.stopping.signal.aborted) {
      this.health = this.watchHealth(this.target!);
    }
  }

  /** A stand-in has nothing that could answer a probe or a hook; it counts as healthy, and its pod is marked. */
  private watchHealth(target: HandlerTarget): ContainerHealth {
    const { recorder } = this.host.context;
    return watchHealth(this.standIn ? {} : this.spec, target, {
      ready: (ready) => {
        this.ready = ready;
        this.host.changed();
      },
      started: () => {
        this.started = true;
        this.host.changed();
      },
      warning: (reason, message) => recorder.warning(this.host.pod(), reason, message),
      restart: (why, probe) => {
        const grace = probe?.terminationGracePeriodSeconds ?? this.host.pod().spec.terminationGracePeriodSeconds ?? 30;
        this.terminate(grace, `Container ${this.name} ${why}, will be restarted`);
      },
    });
  }

  private terminate(graceSeconds: number, message: string | undefined): void {
    if (!this.state.running) {
      return;
    }
    this.health?.endRestarts();
    clearTimeout(this.killTimer);
    this.killTimer = setTimeout(() => this.graceOver(), Math.max(graceSeconds * 1000, minimumTermMilliseconds));
    if (message !== undefined) {
      this.host.context.recorder.normal(this.host.pod(), 'Killing', message);
    }
    if (graceSeconds <= 0) {
      this.sendTerm();
    } else if (message !== undefined) {
      void this.preStopThenTerm(graceSeconds);
    }
  }

  private async preStopThenTerm(graceSeconds: number): Promise<void> {
    const { current, target } = this;
    const hook = this.standIn ? undefined : this.spec.lifecycle?.preStop;
    if (hook !== undefined && target !== undefined) {
      const { context } = this.host;
      const failure = await runHandler(
        hook,
        target,
        AbortSignal.any([AbortSignal.timeout(graceSeconds * 1000), this.ended.signal]),
      );
      if (failure !== undefined && current === this.current && this.state.running) {
        context.recorder.warning(this.host.pod(), 'FailedPreStopHook', `PreStopHook failed: ${failure}`);
      }
    }
    if (current === this.current) {
      this.sendTerm();
    }
  }

  private graceOver(): void {
    if (this.termSent) {
      this.current?.process.signal('SIGKILL');
      return;
    }
    this.sendTerm();
    this.killTimer = setTimeout(() => this.current?.process.signal('SIGKILL'), minimumTermMilliseconds);
  }

  private sendTerm(): void {
    if (!this.termSent) {
      this.termSent = true;
      this.current?.process.signal('SIGTERM');
    }
  }

  private finish(exit: ProcessExit, startedAt: number): void {
    this.health?.stop();
    this.ended.abort();
    const message = this.current?.end();
    clearTimeout(this.killTimer);
    this.backoff.ran(Date.now() - startedAt);
    this.ready = false;
    this.started = false;
    const reason = exit.code === 0 ? 'Completed' : exit.startError ? 'StartError' : 'Error';
    if (exit.startError !== undefined) {
      this.host.context.recorder.warning(this.host.pod(), 'Failed', `Error: ${exit.startError}`);
    }
    this.set({
      terminated: {
        exitCode: exit.code,
        signal: exit.signal,
        reason,
        message: exit.startError ?? message,
        startedAt: timestamp(startedAt),
        finishedAt: timestamp(),
        containerID: this.containerID,
      },
    });
  }

  private async waitBeforeRestart(): Promise<void> {
    const milliseconds = this.backoff.next();
    if (milliseconds > 0) {
      const { context, pod } = this.host;
      const message = `back-off ${Math.round(milliseconds / 100) / 10}s restarting failed container=${this.name} pod=${pod().metadata.name}`;
      this.lastState = this.state;
      this.set({ waiting: { reason: 'CrashLoopBackOff', message } });
      context.recorder.warning(pod(), 'BackOff', `Back-off restarting failed container ${this.name}`);
      await this.backoff.sleep(milliseconds, this.stopping.signal);
    }
    if (!this.stopping.signal.aborted && this.state.terminated) {
      this.lastState = this.state;
    }
  }

  private set(state: Json): void {
    this.state = state;
    this.host.changed();
  }
}
