import { type Injection, isCertainlyOff, type Target, type TargetStatus } from '../../api/injection.js';
import { recordId } from '../../domain/record-id.js';
import { MAX_REPORT_BYTES, parseReport, type SidecarReport } from '../../faults/sidecar.js';
import { ApiError } from '../../kubernetes/errors.js';
import { inParallel } from '../../kubernetes/parallel.js';
import { type Json, type KubeObject, nodes, pods } from '../../kubernetes/resource.js';
import { parseDuration } from '../../stats/duration.js';
import type { Context } from '../context.js';
import { type Sidecar, viewOf } from './container.js';
import { EXTRA_MILLISECONDS, HEARD_MILLISECONDS, type SidecarFacts, START_MILLISECONDS } from './judge.js';
import type { SidecarMemory, TargetMemory } from './memory.js';

const TARGETS_AT_ONCE = 20;
/** After being refused the logs, so long is waited before they are asked for again. */
const MUTE_MILLISECONDS = 60_000;

/** Looks at the targets of injections that sidecars carry out: pods, logs of our containers, and nodes where that helps. */
export class SidecarObserver {
  constructor(readonly context: Context) {}

  /** What is known now of each target that is not settled, by UID. */
  async look(injection: Injection, memory: SidecarMemory): Promise<Map<string, SidecarFacts>> {
    const { spec, status, metadata } = injection;
    const back = spec.state === 'Revert' || metadata.deletionTimestamp !== undefined || status?.ended !== undefined;
    if (back) memory.backSince ??= performance.now();
    const known = new Map(status?.targets?.map((target) => [target.uid, target]));
    const open = spec.targets.filter(({ uid }) => isOpen(known.get(uid), back));
    await inParallel(TARGETS_AT_ONCE, open, (target) => this.#read(injection, target, memory.of(target.uid)));
    const isNodeReady = await this.#isNodeReady(injection, open, memory, back);
    const facts = new Map<string, SidecarFacts>();
    await inParallel(TARGETS_AT_ONCE, open, async (target) => {
      const one = memory.of(target.uid);
      const said = await this.#lastSaid(target, one, memory);
      const now = performance.now();
      facts.set(target.uid, {
        before: known.get(target.uid),
        back,
        view: one.view,
        isGone: one.goneSince !== undefined,
        isCertain: memory.isCertain(target.uid, now),
        said,
        isMute: now < memory.muteUntil,
        isNodeReady,
        waited: now - (memory.backSince ?? now),
        lastEffect: this.#lastEffect(injection, known.get(target.uid), one, memory),
        now: this.context.client.clock.now(),
      });
    });
    return facts;
  }

  async #read({ metadata }: Injection, target: Target, known: TargetMemory): Promise<void> {
    const pod = await this.context.client.get(pods, target.namespace, target.name).catch((error: unknown) => {
      if (error instanceof ApiError && error.isNotFound) return undefined;
      throw error;
    });
    if (pod?.metadata.uid !== target.uid) {
      known.goneSince ??= performance.now();
      return;
    }
    this.#take(pod, metadata.uid, target, known);
    if (pod.metadata.deletionTimestamp && !known.stopWatching) this.#awaitLastWords(metadata.uid, target, known, pod);
  }

  #take(pod: KubeObject, injectionUid: string, { uid }: Target, known: TargetMemory): void {
    known.pod = pod;
    known.view = viewOf(pod, recordId(injectionUid, uid, 0));
  }

  /** How a pod's containers have ended is said in its last moments only, and is the proof that its network is gone. */
  #awaitLastWords(injectionUid: string, target: Target, known: TargetMemory, pod: KubeObject): void {
    const { client, log } = this.context;
    const stop = new AbortController();
    known.stopWatching = () => stop.abort();
    const { namespace, name = '', resourceVersion = '' } = pod.metadata;
    const watch = async () => {
      const fieldSelector = `metadata.name=${name}`;
      for await (const { type, object } of client.watch(pods, {
        namespace,
        fieldSelector,
        resourceVersion,
        signal: stop.signal,
      })) {
        if (object.metadata.uid === target.uid) this.#take(object, injectionUid, target, known);
        if (type === 'DELETED') return;
      }
    };
    watch()
      .catch((error: unknown) =>
        log.debug({ pod: `${namespace}/${name}`, err: String(error) }, 'Pod could not be watched'),
      )
      .finally(() => {
        delete known.stopWatching;
      });
  }

  async #lastSaid(
    { namespace, name }: Target,
    { view, goneSince }: TargetMemory,
    memory: SidecarMemory,
  ): Promise<SidecarReport | undefined> {
    const current = view?.hold.at(-1);
    if (current?.state !== 'Running' || goneSince !== undefined || performance.now() < memory.muteUntil)
      return undefined;
    const line = { container: current.name, limitBytes: 2 * MAX_REPORT_BYTES };
    try {
      const said = parseReport(await this.context.client.lastLine(namespace, name, line, { timeoutMs: 5_000 }));
      return said?.end === undefined ? said : undefined;
    } catch (error) {
      // It says the rest when it ends; without its log nobody is told so soon.
      if (error instanceof ApiError && error.isForbidden) memory.muteUntil = performance.now() + MUTE_MILLISECONDS;
      return undefined;
    }
  }

  /** Asked for only when it may prove something. */
  async #isNodeReady(
    { spec }: Injection,
    open: readonly Target[],
    memory: SidecarMemory,
    back: boolean,
  ): Promise<boolean> {
    const now = this.context.client.clock.now();
    const couldProve = (one: Sidecar | undefined) => one?.state === 'Waiting' && now > one.startBy + HEARD_MILLISECONDS;
    if (!back || !open.some(({ uid }) => couldProve(memory.of(uid).view?.hold.at(-1)))) return false;
    const node = await this.context.client.get(nodes, undefined, spec.node ?? '').catch(() => undefined);
    const conditions: Json[] = node?.status?.conditions ?? [];
    return conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
  }

  /** The latest time at which anything of it can be on. */
  #lastEffect(
    { spec }: Injection,
    before: TargetStatus | undefined,
    { view }: TargetMemory,
    memory: SidecarMemory,
  ): number {
    const current = view?.hold.at(-1);
    if (!current) {
      // Without having seen its containers, they may have been asked for until this process took over.
      const whole = START_MILLISECONDS + parseDuration(spec.duration ?? '0s') + EXTRA_MILLISECONDS;
      return this.context.client.clock.now() - (performance.now() - memory.since) + whole;
    }
    const isOn = before?.state === 'Confirmed' || before?.state === 'Effective';
    const started = isOn ? Math.min(current.startBy, Date.parse(before.time)) : current.startBy;
    return started + current.milliseconds;
  }
}

function isOpen(status: TargetStatus | undefined, back: boolean): boolean {
  // Somebody may have emptied the status.
  if (!status) return back;
  if (isCertainlyOff(status.state)) return false;
  return back || status.state !== 'Failed';
}
