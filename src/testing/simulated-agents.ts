import { type Ended, type Injection, type InjectionStatus, isCertainlyOff, type Target } from '../api/injection.js';
import type { AgentInjectionObserved } from '../domain/agent-injection.js';
import {
  isOn,
  localOutcome,
  type Memory,
  type Node,
  remember,
  type UndoRecord,
  type Work,
} from './simulated-agent-parts.js';
import { ApiTrouble, type SimulatedCluster } from './simulated-cluster.js';
import { type Calls, type Core, ignoring } from './simulated-process.js';
import { SimulatedQueue } from './simulated-queue.js';

const HOLD = 4_000;
const RETRY = 500;
const DEAD_MAN = 30_000;
/** Without the controller for this long nothing is put on. */
const ALIVE = 15_000;

/** What the agents of all nodes need. */
export interface AgentSetting {
  cluster: SimulatedCluster;
  core: Core;
  calls: Calls;
  oneShot: Readonly<Record<string, boolean>>;
  /** Since when the API server can't be reached; infinite while it can. */
  outageSince(): number;
  /** Since when there is no controller; infinite while there is one. */
  controllerLostSince(): number;
}

/**
 * The contract of node agents, step by step: the intent is written to the API server, then the undo record to disk, and
 * only then the fault is put on. What they do to pods needs no API server.
 */
export class SimulatedAgents {
  readonly nodes = new Map<string, Node>();
  readonly #queue = new SimulatedQueue();

  constructor(
    readonly setting: AgentSetting,
    names: readonly string[],
  ) {
    for (const name of names) {
      const { now } = setting.cluster;
      const parts = { records: new Map(), memory: new Map(), running: new Map() };
      this.nodes.set(name, { bootId: `${name}-boot-1`, ...parts, downUntil: 0, renewedAt: now });
    }
  }

  /** What can go on now, as `agent/node/injection`. */
  runnable(): string[] {
    const { now } = this.setting.cluster;
    const running = [...this.nodes].flatMap(([name, node]) =>
      [...node.running.keys()].map((key) => `agent/${name}/${key}`),
    );
    return [...new Set([...running, ...this.#queue.due(now)])].filter((key) => this.#isUp(key));
  }

  get nextDue(): number {
    const times = this.#queue.entries().map(([key, when]) => {
      const [, name = ''] = key.split('/');
      return Math.max(when, this.nodes.get(name)?.downUntil ?? Infinity);
    });
    return Math.min(Infinity, ...times);
  }

  /** Has an injection looked at by the agent of its node. */
  wake(name: string): void {
    const node = this.setting.cluster.injections.get(name)?.spec.node;
    if (node !== undefined) this.#queue.add(`agent/${node}/${name}`, this.setting.cluster.now);
  }

  wakeAll(): void {
    for (const name of this.setting.cluster.injections.keys()) this.wake(name);
  }

  /** The agent of a node ends, and comes back after so many milliseconds. */
  crash(name: string, downFor: number): void {
    const node = this.nodes.get(name);
    if (!node) return;
    const { now } = this.setting.cluster;
    this.beat(name);
    node.memory.clear();
    node.running.clear();
    node.downUntil = Math.max(node.downUntil, now + downFor);
    const known = [...this.setting.cluster.injections.values()].filter(({ spec }) => spec.node === name);
    const recorded = [...node.records.values()].map(({ injection }) => injection);
    for (const { metadata } of [...known, ...recorded])
      this.#queue.add(`agent/${name}/${metadata.name}`, node.downUntil);
  }

  /** A node starts again: nothing that was on it is left. Its disk may be new, and its agent may never come back. */
  reboot(name: string, isReplaced: boolean): void {
    const node = this.nodes.get(name);
    if (!node) return;
    node.bootId = `${name}-boot-${Number(node.bootId.split('-').at(-1)) + 1}`;
    if (isReplaced) node.records.clear();
    this.setting.cluster.loseFaults((pod) => pod.node === name);
    this.crash(name, isReplaced ? Infinity : 8_000);
  }

  /** When an agent said last that it is alive. */
  beat(name: string): number {
    const { cluster, outageSince } = this.setting;
    const node = this.nodes.get(name);
    if (!node) return -Infinity;
    if (node.downUntil <= cluster.now) node.renewedAt = Math.min(cluster.now, outageSince());
    return node.renewedAt;
  }

  /** Goes on with one injection until the next thing that is done. */
  step(key: string): void {
    const [, name = '', injection = ''] = key.split('/');
    const node = this.nodes.get(name);
    if (!node) return;
    let work = node.running.get(injection);
    if (!work) {
      this.#queue.take(key, this.setting.cluster.now);
      work = this.#reconcile(name, node, injection);
      node.running.set(injection, work);
    }
    try {
      if (work.next().done) node.running.delete(injection);
    } catch (error) {
      node.running.delete(injection);
      if (!(error instanceof ApiTrouble)) throw error;
      this.#queue.add(key, this.setting.cluster.now + RETRY);
    }
  }

  #isUp(key: string): boolean {
    const [, name = ''] = key.split('/');
    return (this.nodes.get(name)?.downUntil ?? Infinity) <= this.setting.cluster.now;
  }

  *#reconcile(name: string, node: Node, injectionName: string): Work {
    const { cluster } = this.setting;
    this.#watchController(node);
    const stored = cluster.injections.get(injectionName);
    for (const [key, record] of [...node.records]) {
      const isOwn = record.injection.metadata.name === injectionName;
      if (isOwn && record.injection.metadata.uid !== stored?.metadata.uid) yield* this.#abandon(node, key, record);
    }
    if (!stored) return;
    const memory = remember(node, stored);
    for (let more = true; more; )
      more = yield* this.#carryOn(node, cluster.injections.get(injectionName) ?? stored, memory);
    const isOpen = [...node.records.values()].some(({ injection }) => injection.metadata.name === injectionName);
    const waits = cluster.injections.get(injectionName)?.spec.state !== 'Pending' && this.#hasOpen(injectionName);
    if (isOpen || waits) this.#queue.add(`agent/${name}/${injectionName}`, cluster.now + HOLD);
  }

  #hasOpen(name: string): boolean {
    const { spec, status } = this.setting.cluster.injections.get(name) ?? {};
    const settled = status?.targets?.filter(({ state }) => isCertainlyOff(state)) ?? [];
    return settled.length < (spec?.targets.length ?? 0);
  }

  /** Looks, takes back, writes, and puts on. Returns whether there may be more to do at once. */
  *#carryOn(node: Node, injection: Injection, memory: Memory): Generator<void, boolean, void> {
    const { core, cluster } = this.setting;
    this.#look(injection, memory);
    const decide = () => core.decideAgentInjection(this.#observe(node, injection, memory), cluster.now);
    for (const { do: kind, target } of decide().actions) {
      if (kind === 'revert') yield* this.#revert(node, injection, memory, target);
    }
    const { status } = decide();
    if (JSON.stringify(status) !== JSON.stringify(injection.status ?? {})) {
      yield* this.#write(injection, status, memory);
      return true;
    }
    const applies = decide().actions.filter((action) => action.do === 'apply');
    for (const { target } of applies) yield* this.#apply(node, injection, memory, target);
    // What was refused is tried again later.
    for (const [uid, { result }] of memory.undone) if (result === 'refused') memory.undone.delete(uid);
    return applies.length > 0;
  }

  *#write(injection: Injection, status: InjectionStatus, memory: Memory): Work {
    const { cluster, calls } = this.setting;
    const { name, resourceVersion } = injection.metadata;
    yield;
    ignoring(['notFound'], () =>
      calls.call('write', () => cluster.writeInjectionStatus(name, status, resourceVersion)),
    );
    const before = new Map(injection.status?.targets?.map(({ uid, state }) => [uid, state]));
    for (const { uid, state } of status.targets ?? []) {
      if (state !== 'Applying' || before.get(uid) === 'Applying') continue;
      memory.outcomes.delete(uid);
      memory.sightings.delete(uid);
    }
  }

  *#apply(node: Node, injection: Injection, memory: Memory, target: Target): Work {
    const { cluster, calls } = this.setting;
    const { name } = injection.metadata;
    const { bootId } = node;
    if ((injection.spec.bootId ?? bootId) !== bootId) {
      memory.outcomes.set(target.uid, { result: 'gone' });
      return;
    }
    yield;
    calls.call('local', () => node.records.set(`${name}/${target.uid}`, { injection, target, bootId }));
    yield;
    const seen = { stop: false, protected: false, terminating: false };
    const { step, round } = injection.spec;
    const put = () => cluster.perform('apply', { name, step, round }, target, seen);
    const outcome = localOutcome(() => calls.call('local', put));
    // There is nothing to take back of what happens once.
    if (this.setting.oneShot[step] && outcome.result === 'done') node.records.delete(`${name}/${target.uid}`);
    memory.outcomes.set(target.uid, outcome);
  }

  *#revert(node: Node, { metadata, spec }: Injection, memory: Memory, target: Target): Work {
    const { cluster, calls } = this.setting;
    const key = `${metadata.name}/${target.uid}`;
    yield;
    const seen = { stop: false, protected: false, terminating: false };
    const origin = { name: metadata.name, step: spec.step, round: spec.round };
    const take = () => cluster.perform('revert', origin, target, seen);
    const outcome = node.records.has(key) ? localOutcome(() => calls.call('local', take)) : { result: 'done' as const };
    if (outcome.result !== 'refused') node.records.delete(key);
    memory.undone.set(target.uid, outcome);
  }

  /** An undo record whose injection is gone. */
  *#abandon(node: Node, key: string, { injection, target }: UndoRecord): Work {
    yield;
    yield* this.#revert(node, injection, remember(node, injection), target);
    if (node.records.has(key)) throw new ApiTrouble('unavailable');
  }

  /** Where nobody has been in charge for too long, everything is taken back for good. */
  #watchController(node: Node): void {
    const { cluster, outageSince, controllerLostSince } = this.setting;
    if (cluster.now - Math.min(outageSince(), controllerLostSince()) < DEAD_MAN) return;
    const ended: Ended = { reason: 'ControllerLost', message: 'no controller for 30s' };
    for (const record of node.records.values()) record.ended ??= ended;
  }

  /** Sees what is on. An agent that has just begun looks at all that the status says is. */
  #look({ metadata, spec }: Injection, { sightings, outcomes }: Memory): void {
    const { cluster } = this.setting;
    for (const { uid } of spec.targets) {
      const isKnown = outcomes.get(uid)?.result === 'done' || isOn(cluster, metadata.name, uid);
      if (!isKnown) continue;
      const isOver = this.setting.oneShot[spec.step] ?? false;
      const isThere = isOver || cluster.active.has(`${metadata.name}/${uid}`);
      const effective = isThere && !cluster.pods.get(uid)?.idle;
      if (effective) cluster.bitten.add(`${spec.step}/${uid}`);
      const drift = isThere ? {} : { drift: 'it was flushed' };
      sightings.set(uid, { ...drift, evidence: { packets: effective ? 1 : 0 }, effective });
    }
  }

  #observe(node: Node, injection: Injection, memory: Memory): AgentInjectionObserved {
    const { cluster, oneShot, outageSince, controllerLostSince } = this.setting;
    const records = [...node.records.values()].filter((record) => record.injection.metadata.uid === memory.uid);
    const gone = new Set(injection.spec.targets.flatMap(({ uid }) => (cluster.pods.has(uid) ? [] : [uid])));
    for (const { target, bootId } of records) if (bootId !== node.bootId) gone.add(target.uid);
    memory.ended ??= records.find(({ ended }) => ended)?.ended;
    return {
      injection,
      oneShot: oneShot[injection.spec.step] ?? false,
      ended: memory.ended,
      stopping: cluster.now - Math.min(outageSince(), controllerLostSince()) > ALIVE,
      outcomes: memory.outcomes,
      undone: memory.undone,
      sightings: memory.sightings,
      intended: new Set(records.map(({ target }) => target.uid)),
      gone,
    };
  }
}
