import type { ExperimentRun } from '../../api/experiment-run.js';
import type { Injection, InjectionStatus, Target, TargetStatus } from '../../api/injection.js';
import { RefusedError } from '../../api/refused-error.js';
import { type AgentAction, type AgentInjectionDecision, decideAgentInjection } from '../../domain/agent-injection.js';
import { recordId } from '../../domain/record-id.js';
import { isStopping } from '../../domain/run.js';
import { difference } from '../../kubernetes/difference.js';
import { ApiError } from '../../kubernetes/errors.js';
import { inParallel } from '../../kubernetes/parallel.js';
import type { ReconcileResult } from '../../kubernetes/queue.js';
import type { KubeObject } from '../../kubernetes/resource.js';
import { type Context, NotLeadingError, StoppedError } from '../context.js';
import { halts, isProtectedNamespace } from '../gather.js';
import { projectPod } from '../projections.js';
import { injections } from '../resources.js';
import { addContainer } from './add-container.js';
import { sidecarContainer, sidecarName, viewOf } from './container.js';
import { tellOf } from './events.js';
import { judge, type SidecarJudgement } from './judge.js';
import { SidecarMemory } from './memory.js';
import { SidecarObserver } from './observer.js';
import { orderFor, stepsOf } from './order.js';

/** How many targets of one injection are worked on at once. */
const TARGETS_AT_ONCE = 20;
/** How often is looked while something is on its way, and while all is on. Milliseconds. */
const BUSY_MILLISECONDS = 1_000;
const CALM_MILLISECONDS = 4_000;

/**
 * Carries out injections through ephemeral containers in the targets. It is what a node's agent is for others; what it
 * has done is in the pods, so that it can be killed at any point.
 */
export class SidecarReconciler {
  readonly #memory = new Map<string, SidecarMemory>();
  readonly #observer: SidecarObserver;

  constructor(readonly context: Context) {
    this.#observer = new SidecarObserver(context);
  }

  /** How many injections are remembered. */
  get size(): number {
    return this.#memory.size;
  }

  /** `run` is the one it belongs to, if that is there and has not finished. */
  async reconcile(
    key: string,
    injection: Injection,
    run: ExperimentRun | undefined,
  ): Promise<ReconcileResult | undefined> {
    const memory = this.#remember(key, injection);
    const facts = await this.#observer.look(injection, memory);
    const judged = new Map([...facts].map(([uid, one]) => [uid, judge(one)]));
    const { actions } = this.#decide(injection, memory, judged, run);
    try {
      await inParallel(TARGETS_AT_ONCE, actions, (action) =>
        this.#act(injection, memory, action, judged.get(action.target.uid)),
      );
    } finally {
      // What came of the others must not be lost.
      await this.#persist(injection, memory, this.#decide(injection, memory, judged, run).status);
    }
    const { namespace, name } = injection.metadata;
    return nextLook(this.context.caches.injections.get(namespace, name)?.status ?? {}, actions);
  }

  /** Forgets an injection that is gone, by `namespace/name`. */
  forget(key: string): void {
    this.#memory.get(key)?.end();
    this.#memory.delete(key);
  }

  /** Forgets everything, such as when another controller has led meanwhile. */
  reset(): void {
    for (const key of [...this.#memory.keys()]) this.forget(key);
  }

  #remember(key: string, injection: Injection): SidecarMemory {
    const known = this.#memory.get(key);
    if (known?.uid === injection.metadata.uid) return known;
    known?.end();
    const fresh = new SidecarMemory(injection, performance.now());
    this.#memory.set(key, fresh);
    return fresh;
  }

  #decide(
    injection: Injection,
    memory: SidecarMemory,
    judged: ReadonlyMap<string, SidecarJudgement>,
    run: ExperimentRun | undefined,
  ): AgentInjectionDecision {
    const pick = <T>(of: (one: SidecarJudgement, uid: string) => T | undefined): Map<string, T> =>
      new Map(
        [...judged].flatMap(([uid, one]) => {
          const value = of(one, uid);
          return value === undefined ? [] : [[uid, value] as const];
        }),
      );
    const observed = {
      injection,
      oneShot: false,
      ended: undefined,
      stopping: !run || isStopping(run, halts(this.context)),
      outcomes: pick((one, uid) => one.outcome ?? memory.of(uid).refused),
      undone: pick((one, uid) => one.undone ?? memory.of(uid).notUndone),
      sightings: pick(({ sighting }) => sighting),
      intended: new Set(pick(({ isIntended }) => isIntended || undefined).keys()),
      gone: new Set(pick(({ isGone }) => isGone || undefined).keys()),
      over: pick(({ over }) => over),
    };
    return decideAgentInjection(observed, this.context.client.clock.now());
  }

  async #act(
    injection: Injection,
    memory: SidecarMemory,
    { do: what, target }: AgentAction,
    judgement: SidecarJudgement | undefined,
  ): Promise<void> {
    const next = judgement?.next;
    const known = memory.of(target.uid);
    if (!next || !known.pod || (next.role === 'hold') !== (what === 'apply')) return;
    try {
      const fault = next.fault ?? (await this.#orderFor(injection, memory, target, known.pod));
      await this.#add(injection, memory, target, { ...next, fault }, known.pod);
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      known.refused = { result: 'refused', message: error.message };
    }
  }

  /** @throws RefusedError when the fault can't or must not be put on */
  async #orderFor(injection: Injection, memory: SidecarMemory, target: Target, pod: KubeObject): Promise<string> {
    const { client } = this.context;
    const { protected: isSpared, sidecarRefusal, unreachable } = projectPod(pod);
    if (isSpared || isProtectedNamespace(this.context, target.namespace)) throw new RefusedError('it is protected');
    if (unreachable) throw new RefusedError('it is on the network of its node, or static');
    if (sidecarRefusal !== undefined) throw new RefusedError(sidecarRefusal);
    memory.steps ??= stepsOf(client, injection);
    memory.steps.catch(() => {
      memory.steps = undefined;
    });
    const before = injection.status?.targets?.find(({ uid }) => uid === target.uid);
    const [first] = memory.of(target.uid).view?.hold ?? [];
    return orderFor(injection, target, { pod, steps: await memory.steps, before, first }, client.clock.now());
  }

  async #add(
    injection: Injection,
    memory: SidecarMemory,
    target: Target,
    { role, fault, isAlone }: NonNullable<SidecarJudgement['next']> & { fault: string },
    pod: KubeObject,
  ): Promise<void> {
    const { sidecars, client, log } = this.context;
    if (!sidecars)
      throw new RefusedError('the controller was not told the image of sidecars (--image or SQUALL_IMAGE)');
    const known = memory.of(target.uid);
    const id = recordId(injection.metadata.uid, target.uid, 0);
    const name = sidecarName(id, role, (known.view?.[role].length ?? 0) + 1);
    const permit = () => {
      if (role === 'hold') this.#permit(injection);
    };
    try {
      const added = await addContainer(client, pod, sidecarContainer(name, sidecars, role, fault, isAlone), permit);
      if (added === 'later') return;
      if ('pod' in added) {
        known.pod = added.pod;
        known.view = viewOf(added.pod, id);
        delete known.notUndone;
        log.info(
          { injection: injection.metadata.name, pod: `${target.namespace}/${target.name}`, container: name },
          'Sidecar added',
        );
      } else if (role === 'hold') known.refused = added.outcome;
      else known.notUndone = added.outcome.result === 'refused' ? added.outcome : undefined;
    } catch (error) {
      if (!(error instanceof StoppedError || error instanceof NotLeadingError)) known.unansweredAt = performance.now();
      throw error;
    }
  }

  /** A halt counts at once, also for what waits for its turn or for the API server. */
  #permit({ spec }: Injection): void {
    const run = this.context.records.run(spec.run.namespace, spec.run.name);
    const isLive = run?.metadata.uid === spec.run.uid && !run.status?.finishTime;
    if (!run || !isLive || isStopping(run, halts(this.context))) throw new StoppedError('nothing more may be hit');
  }

  async #persist(injection: Injection, memory: SidecarMemory, status: InjectionStatus): Promise<void> {
    const { client, caches } = this.context;
    const { namespace, name, resourceVersion } = injection.metadata;
    const patch = difference(injection.status ?? {}, status);
    if (patch === undefined) return;
    try {
      caches.injections.upsert(await client.patchStatus(injections, namespace, name, patch, resourceVersion));
    } catch (error) {
      if (error instanceof ApiError && error.isNotFound) return;
      throw error;
    }
    const states = new Map(injection.status?.targets?.map(({ uid, state }) => [uid, state]));
    for (const now of status.targets ?? []) {
      const target = injection.spec.targets.find(({ uid }) => uid === now.uid);
      if (!target || states.get(now.uid) === now.state) continue;
      // What came of an attempt belongs to the state it was made in.
      delete memory.of(now.uid).refused;
      tellOf(this.context, injection, target, now);
    }
  }
}

/** When to look again: what sidecars do is told by no watch. */
function nextLook({ targets = [] }: InjectionStatus, actions: readonly AgentAction[]): ReconcileResult | undefined {
  const states = new Map(targets.map(({ uid, state }) => [uid, state]));
  const isBusy = actions.some(({ target }) => states.get(target.uid) !== 'Failed');
  if (isBusy || targets.some(({ state }) => state === 'Applying')) return { after: BUSY_MILLISECONDS };
  const isOn = ({ state }: TargetStatus) => state === 'Confirmed' || state === 'Effective';
  return actions.length > 0 || targets.some(isOn) ? { after: CALM_MILLISECONDS } : undefined;
}
