import type { TargetStatus } from '../../api/injection.js';
import { shortened } from '../../domain/draft.js';
import type { DrainPlan } from '../../domain/drain.js';
import type { EmptyNode } from '../../faults/step.js';
import type { Client } from '../../kubernetes/client.js';
import { ApiError, TransportError } from '../../kubernetes/errors.js';
import { podReference } from '../../kubernetes/events.js';
import { inParallel } from '../../kubernetes/parallel.js';
import { nodes, pods } from '../../kubernetes/resource.js';
import type { Inspection, StepHandler, Surroundings, Undo } from './handler.js';
import { type DrainedPod, type NodeSurroundings, readDrainPlan } from './node-pods.js';
import { present } from './outcome.js';

/** How many pods are asked to go at once. */
const PODS_AT_ONCE = 20;
/** A look follows the one before after the first of these; each one that shows no progress doubles that, up to the last. */
const FIRST_LOOK_MILLISECONDS = 250;
const LAST_LOOK_MILLISECONDS = 5_000;
const LONGEST_WAITING = 256;

/** Why a pod could not be asked to go. */
interface Held {
  pod: DrainedPod;
  message: string;
  /** A disruption budget holds it. */
  byBudget: boolean;
  /** Asking again can't help. */
  isFinal: boolean;
  /** What the server asks to wait, in milliseconds. */
  retryAfter: number;
  error: Error;
}

/** What is durable before the first pod is asked: how many are to go. There is nothing to restore. */
interface Recorded {
  pods: number;
}

/** What is remembered of a drain between two looks. Losing it costs a few calls. */
interface Memory {
  beside: NodeSurroundings;
  /** By the pod's UID, what held it when it was asked last. */
  held: Map<string, Held>;
  /** UIDs of all pods that a disruption budget has held. */
  refused: Set<string>;
  /** What the pass that has just ended was based on; a look uses it up. */
  plan?: DrainPlan<DrainedPod>;
  /** How many were there at the last look, and how many looks have shown no fewer. */
  left: number;
  quiet: number;
}

/** Makes the pods of a node go away. It is gone on with until they have; pods that come after that are left. */
export const emptyNode: StepHandler<EmptyNode> = {
  async prepare(step, where) {
    if (!(await isThere(step, where.client))) return { result: 'gone' };
    const { going, refusal } = await readDrainPlan(step, where, memoryOf(where).beside);
    return refusal === undefined ? { undo: { pods: going.length } } : { result: 'refused', message: refusal };
  },

  async apply(step, _undo, where) {
    if (!(await isThere(step, where.client))) return { result: 'gone' };
    const memory = memoryOf(where);
    const plan = await readDrainPlan(step, where, memory.beside);
    const going = plan.going.filter((pod) => isMeant(pod, where));
    const due = going.filter((pod) => isToBeAsked(step, pod));
    const { asked, held } = await askAll(step, due, where, memory);
    memory.plan = { ...plan, going };
    memory.held = new Map(held.map((each) => [each.pod.uid, each]));
    const [first] = held;
    if (!first || held.length < asked) return { result: 'done' };
    if (held.every(({ isFinal }) => isFinal)) return { result: 'refused', message: first.message };
    // Nothing is known to have been done: whoever called decides when to try again.
    if (held.every(({ error }) => error instanceof TransportError)) throw first.error;
    return { result: 'done' };
  },

  async inspect(step, undo, where) {
    const memory = memoryOf(where);
    const pass = memory.plan;
    delete memory.plan;
    if (!pass && !(await isThere(step, where.client))) return { on: false, gone: true, effective: false };
    const { going, spared } = pass ?? (await readDrainPlan(step, where, memory.beside));
    const left = going.filter((pod) => isMeant(pod, where));
    const known = statusOf(where)?.progress;
    const before = known?.total ?? (undo as Recorded | null)?.pods ?? 0;
    const total = Math.max(before, (known?.done ?? 0) + left.length);
    const refused = Math.max(known?.refused ?? 0, memory.refused.size);
    const progress = { done: total - left.length, total, refused, ...sparedOf(spared) };
    const isEmpty = total > 0 && left.length === 0;
    const inspection = { on: true, effective: step.budget === 'Expect' ? refused > 0 : isEmpty };
    if (left.length === 0) return { ...inspection, progress };
    // What another process has asked is known from what it wrote only.
    const waiting = (pass ? undefined : known?.waiting) ?? waitingFor(left, memory, where.client.clock.now());
    return {
      ...inspection,
      progress: { ...progress, waiting },
      after: nextLook(left.length, memory),
      unfinished: true,
    } satisfies Inspection;
  },

  async revert(step, undo, where) {
    delete memoryOf(where).plan;
    // It is over even if nobody can say how far it came.
    const look = await lastLook(step, undo, where).catch(() => undefined);
    memories.get(where.client)?.delete(where.mark);
    const { effective = false, progress } = look ?? {};
    return { result: 'done', ...(effective && { effective }), ...(progress && { progress }) };
  },
};

/** How far it came; undefined: that was known, or can't be told any more as others may have come to a node that is open again. */
async function lastLook(step: EmptyNode, undo: Undo, where: Surroundings): Promise<Inspection | undefined> {
  const { done = 0, total = 0 } = statusOf(where)?.progress ?? {};
  if (total > 0 && done === total) return undefined;
  const node = await where.client.get(nodes, undefined, step.node);
  return node.spec?.unschedulable ? emptyNode.inspect(step, undo, where) : undefined;
}

const memories = new WeakMap<Client, Map<string, Memory>>();

function memoryOf({ client, mark }: Surroundings): Memory {
  const all = memories.get(client) ?? new Map<string, Memory>();
  memories.set(client, all);
  const beside = { daemonSets: new Map(), namespaces: new Map() };
  const memory = all.get(mark) ?? { beside, held: new Map(), refused: new Set(), left: 0, quiet: 0 };
  all.set(mark, memory);
  return memory;
}

function statusOf({ injection, target }: Surroundings): TargetStatus | undefined {
  return injection.status?.targets?.find(({ uid }) => uid === target.uid);
}

async function isThere({ node, uid }: EmptyNode, client: Client): Promise<boolean> {
  return (await present(client.get(nodes, undefined, node)))?.metadata.uid === uid;
}

/** What came to the node after the pods were first asked to go, for it tolerates what keeps others away, could go on for ever. */
function isMeant(pod: DrainedPod, where: Surroundings): boolean {
  const status = statusOf(where);
  return status === undefined || status.state === 'Applying' || pod.createdAt <= Date.parse(status.time);
}

/** A pod on its way out is asked again only to make it go sooner. */
function isToBeAsked({ by, gracePeriodSeconds }: EmptyNode, { terminating, graceSeconds = 0 }: DrainedPod): boolean {
  if (!terminating) return true;
  return by === 'Delete' && gracePeriodSeconds !== undefined && gracePeriodSeconds < graceSeconds;
}

async function askAll(
  step: EmptyNode,
  due: readonly DrainedPod[],
  where: Surroundings,
  memory: Memory,
): Promise<{ asked: number; held: Held[] }> {
  const held: Held[] = [];
  await inParallel(PODS_AT_ONCE, heldTogether(due, memory), async (group) => {
    for (const [place, pod] of group.entries()) {
      const why = await ask(step, pod, where);
      if (!why) continue;
      const rest = group.slice(place).map((each) => ({ ...why, pod: each }));
      held.push(...rest);
      return;
    }
  });
  for (const { pod, byBudget, message } of held) {
    if (!byBudget || memory.refused.has(pod.uid)) continue;
    memory.refused.add(pod.uid);
    where.tell?.({
      object: podReference(pod),
      type: 'Warning',
      reason: 'EvictionRefused',
      message: shortened(message),
    });
  }
  return { asked: due.length, held };
}

/** What one budget has held back is asked one after the other: when it holds the first one it holds the others too. */
function heldTogether(due: readonly DrainedPod[], { held }: Memory): DrainedPod[][] {
  const groups = new Map<string, DrainedPod[]>();
  for (const pod of due) {
    const before = held.get(pod.uid);
    // An unready pod may go although the budget is spent.
    const key = before?.byBudget ? `${pod.namespace}/${pod.ready}/${budgetIn(before.message)}` : pod.uid;
    const group = groups.get(key);
    if (group) group.push(pod);
    else groups.set(key, [pod]);
  }
  return [...groups.values()];
}

/** The name of the budget, where the server's words tell it: the numbers in them change all the time. */
function budgetIn(message: string): string {
  return /disruption budget (\S+) /.exec(message)?.[1] ?? message;
}

/** Asks a pod to go. Returns why it could not be; what became of one that gave no answer shows in the next look. */
async function ask(step: EmptyNode, pod: DrainedPod, where: Surroundings): Promise<Held | undefined> {
  const { client, permit, injection } = where;
  const { gracePeriodSeconds } = step;
  const options = {
    uid: pod.uid,
    repeat: false,
    permit,
    ...(gracePeriodSeconds !== undefined && { gracePeriodSeconds }),
  };
  try {
    if (step.by === 'Evict') await client.evict(pod.namespace, pod.name, options);
    else await client.delete(pods, pod.namespace, pod.name, options);
  } catch (error) {
    if (error instanceof TransportError || error instanceof ApiError) return heldBy(pod, error);
    throw error;
  }
  const { run, step: name } = injection.spec;
  where.tell?.({
    object: podReference(pod),
    type: 'Normal',
    reason: 'FaultInjected',
    message: `Taken off node ${step.node} by step '${name}' of run ${run.namespace}/${run.name}`,
  });
  return undefined;
}

function heldBy(pod: DrainedPod, error: ApiError | TransportError): Held | undefined {
  const held = { pod, message: error.message, byBudget: false, isFinal: false, retryAfter: 0, error };
  if (error instanceof TransportError) return held;
  // It has gone, or another pod has its name; if it is still the same one, the next look shows it.
  if (error.isNotFound || error.isConflict) return undefined;
  const retryAfter = error.retryAfterMs ?? 0;
  if (!error.isDisruptionBudget) return { ...held, retryAfter, isFinal: error.status < 500 && error.status !== 429 };
  const causes = error.details.causes?.flatMap(({ message }) => message ?? []) ?? [];
  return { ...held, message: [error.message, ...causes].join(' '), byBudget: true, retryAfter };
}

function sparedOf(spared: readonly DrainedPod[]): Pick<NonNullable<TargetStatus['progress']>, 'spared'> {
  return spared.length > 0 ? { spared: spared.length } : {};
}

/** Which pod holds the drain up and why, in words: what is refused before what takes its time. */
function waitingFor(left: readonly DrainedPod[], { held }: Memory, now: number): string {
  const byBudget = left.find(({ uid }) => held.get(uid)?.byBudget);
  const isLate = ({ endsAt = now }: DrainedPod) => endsAt < now;
  const pod = byBudget ?? left.find(({ uid }) => held.has(uid)) ?? left.find(isLate) ?? left[0];
  if (!pod) return '';
  return shortened(
    `${pod.namespace}/${pod.name}: ${held.get(pod.uid)?.message ?? endingOf(pod, now)}`,
    LONGEST_WAITING,
  );
}

function endingOf({ endsAt, finalizers }: DrainedPod, now: number): string {
  if (endsAt === undefined) return 'was asked to go';
  const seconds = Math.round((now - endsAt) / 1000);
  const holders = finalizers.length > 0 ? `, held by the finalizer ${finalizers.join(', ')}` : '';
  return `${seconds > 0 ? `has been ending for ${seconds}s longer than it may` : 'is ending'}${holders}`;
}

/** When to look again, in milliseconds from now. */
function nextLook(left: number, memory: Memory): number {
  memory.quiet = left === memory.left ? memory.quiet + 1 : 0;
  memory.left = left;
  const backoff = Math.min(LAST_LOOK_MILLISECONDS, FIRST_LOOK_MILLISECONDS * 2 ** memory.quiet);
  return Math.max(backoff, ...[...memory.held.values()].map(({ retryAfter }) => retryAfter));
}
