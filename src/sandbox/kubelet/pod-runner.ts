import { setTimeout as sleep } from 'node:timers/promises';
import { isTerminating, timestamp } from '../controllers/objects.js';
import type { PodSandbox } from '../isolation/isolation.js';
import type { LogLine, LogRequest } from '../server/log-source.js';
import type { Json, KubeObject } from '../store/types.js';
import { Container, type ContainerHost } from './container.js';
import type { ProcessExit } from './container-process.js';
import type { PodPlace } from './environment.js';
import type { KubeletContext } from './kubelet-context.js';
import { podStatus } from './pod-status.js';

/** Marks pods in which something that only sleeps stands in for an image whose program the sandbox can't run. */
export const standInAnnotation = 'squall.dev/stand-in';

const sandboxRetryMilliseconds = 1_000;

/** One pod on one node: starts its containers, keeps its status, and ends it when it is to go. */
export class PodRunner {
  private readonly initContainers: Container[];
  private readonly containers: Container[];
  private readonly sandbox: PodSandbox;
  private readonly place: PodPlace;
  private readonly host: ContainerHost;
  /** In the order of the spec; those that somebody added while the pod ran, each of which runs once. */
  private readonly ephemeralContainers: Container[] = [];
  private readonly ephemeralRuns: Promise<unknown>[] = [];
  private readonly startTime = timestamp();
  private initialized = false;
  private outcome: 'Succeeded' | 'Failed' | undefined;
  private publishing: NodeJS.Immediate | undefined;
  private terminating = false;
  private gone = false;
  private finished: Promise<void> = Promise.resolve();
  private left: Promise<void> | undefined;

  constructor(
    private readonly context: KubeletContext,
    private pod: KubeObject,
    hostIP: string,
  ) {
    this.sandbox = context.isolation.createSandbox(pod, hostIP);
    this.place = { podIPs: [], hostIP };
    const { sandbox, place } = this;
    const host: ContainerHost = { context, pod: () => this.pod, place, sandbox, changed: () => this.publishSoon() };
    this.host = host;
    const policy = pod.spec.restartPolicy ?? 'Always';
    const initPolicy = policy === 'Never' ? 'Never' : 'OnFailure';
    this.initContainers = (pod.spec.initContainers ?? []).map(
      (spec: Json) => new Container(spec, host, spec.restartPolicy === 'Always' ? 'Always' : initPolicy),
    );
    this.containers = (pod.spec.containers ?? []).map((spec: Json) => new Container(spec, host, policy));
  }

  /** Starts the containers. */
  start(): void {
    this.markStandIn();
    this.finished = this.run();
    this.publishSoon();
  }

  /** Takes note of a newer version of the pod's object: it may be asked to go, or to go sooner. */
  update(pod: KubeObject): void {
    this.pod = pod;
    if (isTerminating(pod)) {
      this.terminate(pod.metadata.deletionGracePeriodSeconds ?? 0);
      return;
    }
    this.startEphemeral();
    if (pod.spec.readinessGates !== undefined) {
      this.publishSoon();
    }
  }

  /** Starts the ephemeral containers that are new, once the pod has a network and until it has ended. */
  private startEphemeral(): void {
    if (this.place.podIPs.length === 0 || this.outcome !== undefined || this.gone) {
      return;
    }
    const known = new Set(this.ephemeralContainers.map(({ name }) => name));
    for (const spec of this.pod.spec.ephemeralContainers ?? []) {
      if (!known.has(spec.name)) {
        const container = new Container(spec, this.host, 'Never');
        this.ephemeralContainers.push(container);
        this.ephemeralRuns.push(container.run());
      }
    }
  }

  /** Ends the pod because its object is gone, as after a forced delete; resolves when no process of it is left. */
  abandon(): Promise<void> {
    return this.leave((container) => container.stop(0));
  }

  /** Ends the pod at once because the sandbox stops; resolves when no process of it is left. */
  kill(): Promise<void> {
    return this.leave((container) => container.kill());
  }

  private leave(end: (container: Container) => void): Promise<void> {
    this.gone = true;
    clearImmediate(this.publishing);
    for (const container of this.all()) {
      end(container);
    }
    this.left ??= this.finished.then(() => this.sandbox.close());
    return this.left;
  }

  /** See `LogSource.read`. */
  readLog(request: LogRequest, signal: AbortSignal): AsyncIterable<LogLine> | undefined {
    const container = this.all().find(({ name }) => name === request.container);
    const log = request.previous ? container?.previousLog : container?.log;
    return log?.read(request, signal);
  }

  private all(): Container[] {
    return [...this.initContainers, ...this.containers, ...this.ephemeralContainers];
  }

  private async run(): Promise<void> {
    await this.openSandbox();
    this.startEphemeral();
    await this.runContainers();
    for (const container of this.ephemeralContainers) {
      container.stop(this.pod.spec.terminationGracePeriodSeconds ?? 30);
    }
    await Promise.all(this.ephemeralRuns);
    // The status goes on showing the addresses of a pod that has completed.
    await this.sandbox.close();
  }

  private async openSandbox(): Promise<void> {
    while (!this.terminating && !this.gone) {
      try {
        await this.sandbox.open();
        this.place.podIPs = this.sandbox.addresses;
        return;
      } catch (error) {
        const { message } = error as Error;
        this.context.recorder.warning(this.pod, 'FailedCreatePodSandBox', message);
        await sleep(sandboxRetryMilliseconds);
      }
    }
  }

  private async runContainers(): Promise<void> {
    const sidecars: Promise<unknown>[] = [];
    for (const container of this.initContainers) {
      if (container.spec.restartPolicy === 'Always') {
        sidecars.push(container.run());
        continue;
      }
      const exit = await container.run();
      if (exit?.code !== 0 || this.terminating || this.gone) {
        this.endSidecars();
        await Promise.all(sidecars);
        this.settle([exit]);
        return;
      }
      container.ready = true;
    }
    this.initialized = true;
    const exits = await Promise.all(this.containers.map((container) => container.run()));
    this.endSidecars();
    await Promise.all(sidecars);
    this.settle(exits);
  }

  private endSidecars(): void {
    for (const container of this.initContainers) {
      container.stop(this.pod.spec.terminationGracePeriodSeconds ?? 30);
    }
  }

  private settle(exits: (ProcessExit | undefined)[]): void {
    this.outcome = exits.every((exit) => exit?.code === 0) ? 'Succeeded' : 'Failed';
    this.publishSoon();
  }

  private terminate(graceSeconds: number): void {
    for (const container of this.all()) {
      container.stop(graceSeconds);
    }
    if (!this.terminating) {
      this.terminating = true;
      void this.finished.then(() => this.removeObject());
    }
  }

  /** The last act of a kubelet on a pod: with its processes gone, the object may go. */
  private removeObject(): void {
    if (this.gone) {
      return;
    }
    clearImmediate(this.publishing);
    this.publish();
    const { namespace, name, uid } = this.pod.metadata;
    const stored = this.context.store.get('pods', namespace, name);
    if (stored?.metadata.uid === uid) {
      this.context.store.delete('pods', namespace, name, { gracePeriodSeconds: 0, preconditions: { uid } });
    }
  }

  private markStandIn(): void {
    if (this.all().some(({ standIn }) => standIn)) {
      this.change((draft) => {
        draft.metadata.annotations = { ...draft.metadata.annotations, [standInAnnotation]: 'true' };
      });
    }
  }

  private publishSoon(): void {
    if (!this.gone) {
      this.publishing ??= setImmediate(() => this.publish());
    }
  }

  private publish(): void {
    this.publishing = undefined;
    this.change((draft) => {
      draft.status = podStatus(draft, {
        place: this.place,
        startTime: this.startTime,
        initialized: this.initialized,
        initContainers: this.initContainers.map((container) => container.status()),
        containers: this.containers.map((container) => container.status()),
        ephemeralContainers: this.ephemeralContainers.map((container) => container.status()),
        outcome: this.outcome,
      });
    });
  }

  private change(edit: (draft: KubeObject) => void): void {
    const { namespace, name, uid } = this.pod.metadata;
    if (!this.gone && this.context.store.get('pods', namespace, name)?.metadata.uid === uid) {
      this.context.store.update('pods', namespace, name, edit);
    }
  }
}
