import { createHash } from 'node:crypto';
import type { Removed } from '../api/experiment-run.js';
import type { Targets } from '../api/targets.js';
import { parseDuration } from '../stats/duration.js';
import { keptReady, type OtherNodes } from './last-ready.js';
import type { Candidate, StepFacts } from './observed.js';

/** What was left of the pods a step names, and in which order they would be drawn. */
export interface Draw {
  matched: number;
  removed: Removed;
  /** All candidates in drawing order: the chosen first, then those who would replace them. */
  order: Candidate[];
  /** How many were left to draw from: those in `order`, and what is kept for a Ready node while that makes no difference. */
  candidates: number;
  /** How many are wanted. */
  chosen: number;
}

/** What of a step's fault decides whom it may be put on. */
export type Reach = Pick<StepFacts, 'by' | 'removesPods' | 'scalesTo' | 'pausesAutoscaler'>;

interface Filter {
  name: keyof Removed;
  words: string;
  takesOut(pod: Candidate, targets: Targets, now: number, fault: Reach): boolean;
}

const filters: Filter[] = [
  { name: 'terminating', words: 'terminating', takesOut: (pod) => pod.terminating },
  { name: 'completed', words: 'completed', takesOut: (pod) => pod.completed },
  {
    name: 'unsuitable',
    words: 'that can not carry the fault, such as workloads with an autoscaler that is not paused',
    takesOut: ({ obstacle, autoscaled }, _targets, _now, fault) =>
      obstacle === 'unsuitable' || (autoscaled === true && fault.scalesTo !== undefined && !fault.pausesAutoscaler),
  },
  { name: 'rollingOut', words: 'with a rollout in progress', takesOut: ({ obstacle }) => obstacle === 'rollingOut' },
  { name: 'notReady', words: 'not Ready', takesOut: (pod) => !pod.ready },
  {
    name: 'tooYoung',
    words: 'younger than `minAge`',
    takesOut: (pod, targets, now) => now - pod.createdAt < parseDuration(targets.pods?.minAge ?? '0s'),
  },
  { name: 'protected', words: 'protected', takesOut: (pod) => pod.protected },
  {
    name: 'unmanaged',
    words: 'without a controller that replaces them',
    takesOut: (pod, targets, _now, fault) => fault.removesPods && !pod.managed && !targets.pods?.unmanaged,
  },
  {
    name: 'controlPlane',
    words: 'of the control plane and not named',
    takesOut: ({ reserved }, { nodes }) => reserved === 'controlPlane' && !nodes?.names,
  },
  {
    name: 'controllerNode',
    words: 'where the controller runs and not named',
    takesOut: ({ reserved }, { nodes }) => reserved === 'controllerNode' && !nodes?.names,
  },
  // Not a matter of one candidate: see `keptReady`.
  { name: 'lastReady', words: 'kept so that a Ready node is left', takesOut: () => false },
  { name: 'inUse', words: 'held by another run', takesOut: ({ obstacle }) => obstacle === 'inUse' },
  {
    name: 'notAllowed',
    words: 'without the label that a policy asks for',
    takesOut: ({ obstacle }) => obstacle === 'notAllowed',
  },
  {
    name: 'unreachable',
    words: 'on the network of their node or static, where no agent puts a fault',
    takesOut: (pod, _targets, _now, fault) => fault.by === 'Agent' && pod.unreachable,
  },
];

/** Which filter takes a candidate out of a draw; undefined: none does. */
export function removedBy(
  candidate: Candidate,
  targets: Targets,
  now: number,
  fault: Reach,
): keyof Removed | undefined {
  return filters.find(({ takesOut }) => takesOut(candidate, targets, now, fault))?.name;
}

/** Whether the fault can be put on a pod that takes the place of a target: as soon as a container of it runs. */
export function isFollowable(pod: Candidate, targets: Targets, fault: Reach): boolean {
  const given = { ...pod, ready: true, createdAt: Number.NEGATIVE_INFINITY };
  return pod.running && !filters.some(({ takesOut }) => takesOut(given, targets, 0, fault));
}

/** What a draw depends on beside the pods. */
export interface DrawSettings {
  seed: number;
  /** Tells one draw of a run from another. */
  key: string;
  now: number;
  fault: Reach;
  /** UIDs that were drawn before. */
  exclude?: ReadonlySet<string>;
  /** What is known of nodes beside the candidates; left out: nothing is, and then there are none. */
  nodes?: OtherNodes;
}

/**
 * Draws targets. Each candidate's place depends only on the seed, the step and its UID, so neither the order in which
 * pods are listed nor who else is a candidate changes it, and a draw can be continued after a restart.
 * `percent` is rounded down but at least one. Of zones, whole ones are drawn and counted, each by its name.
 */
export function draw(
  pods: readonly Candidate[],
  targets: Targets,
  { seed, key, now, fault, exclude, nodes }: DrawSettings,
): Draw {
  const removed: Removed = {
    terminating: 0,
    completed: 0,
    notReady: 0,
    tooYoung: 0,
    protected: 0,
    unmanaged: 0,
    unreachable: 0,
  };
  const others: Candidate[] = [];
  const candidates = pods.filter((pod) => {
    const filter = removedBy(pod, targets, now, fault);
    if (filter) {
      removed[filter] = (removed[filter] ?? 0) + 1;
      others.push(pod);
    }
    return !filter;
  });
  const ordered = inDrawingOrder(candidates, seed, key);
  const groups = targets.zones ? zonesInDrawingOrder(ordered, seed, key) : ordered.map((pod) => [pod]);
  const kept = new Set(mayTakeAll(targets) ? [] : keptReady(groups, others, nodes ?? { spares: [], held: new Set() }));
  const fit = groups.map((group) => group.filter(({ uid }) => !exclude?.has(uid))).filter((group) => group.length > 0);
  const left = fit.filter(([first]) => !first || !kept.has(first));
  const order = left.flat();
  const drawn = left.slice(0, wanted(fit.length, targets));
  const isBound = drawn.length < wanted(fit.length, targets);
  if (isBound) removed.lastReady = kept.size;
  return {
    matched: pods.length,
    removed,
    order,
    candidates: isBound ? order.length : order.length + kept.size,
    chosen: drawn.flat().length,
  };
}

/** Pods and workloads may all be hit, and so may nodes that are named one by one. */
function mayTakeAll({ nodes, zones }: Targets): boolean {
  return zones === undefined && (nodes === undefined || nodes.names !== undefined);
}

/**
 * When the pods that nothing but their youth keeps out will be old enough, in milliseconds since the epoch; empty when
 * there are candidates at `now`, or no such pods.
 */
export function comingOfAge(pods: readonly Candidate[], targets: Targets, now: number, fault: Reach): number[] {
  const fit = pods.filter((pod) =>
    filters.every(({ name, takesOut }) => name === 'tooYoung' || !takesOut(pod, targets, now, fault)),
  );
  const ages = fit.map(({ createdAt }) => createdAt + parseDuration(targets.pods?.minAge ?? '0s'));
  return ages.some((age) => age <= now) ? [] : ages;
}

/** Sorts pods by what the seed and the key make of their UIDs. */
export function inDrawingOrder(candidates: readonly Candidate[], seed: number, key: string): Candidate[] {
  return sortedByPlace(candidates, ({ uid }) => `${seed}/${key}/${uid}`);
}

function zonesInDrawingOrder(nodes: readonly Candidate[], seed: number, key: string): Candidate[][] {
  const zones = new Map<string, Candidate[]>();
  for (const node of nodes) {
    const zone = zones.get(node.zone ?? '');
    if (zone) zone.push(node);
    else zones.set(node.zone ?? '', [node]);
  }
  return sortedByPlace([...zones], ([zone]) => `${seed}/${key}/${zone}`).map(([, group]) => group);
}

function sortedByPlace<T>(items: readonly T[], textOf: (item: T) => string): T[] {
  return items
    .map((item) => ({ item, place: createHash('sha256').update(textOf(item)).digest('hex') }))
    .sort((a, b) => (a.place < b.place ? -1 : 1))
    .map(({ item }) => item);
}

function wanted(candidates: number, targets: Targets): number {
  if (candidates === 0) return 0;
  if (targets.percent !== undefined) return Math.max(1, Math.floor((candidates * targets.percent) / 100));
  return Math.min(candidates, targets.count ?? 1);
}

/** A seed that is as good as random and yet the same after a restart: 0 to 2^48 - 1. */
export function seedOf(uid: string): number {
  return createHash('sha256').update(uid).digest().readUIntBE(0, 6);
}

/** The digest of a set of UIDs, whatever their order. */
export function digestOf(uids: readonly string[]): string {
  return `sha256:${createHash('sha256')
    .update([...uids].sort().join('\n'))
    .digest('hex')}`;
}

/** What each filter removed, such as `0 of 14: 12 not Ready, 2 terminating`. */
export function funnel({
  matched,
  removed,
  candidates,
}: {
  matched: number;
  removed: Removed;
  candidates: number;
}): string {
  const words = removedWords(removed);
  return `${candidates} of ${matched}${words === '' ? '' : `: ${words}`}`;
}

/** Why a filter removes what it removes, such as `not Ready`. */
export function removalWords(name: keyof Removed): string {
  return filters.find((filter) => filter.name === name)?.words ?? name;
}

/** What the filters removed, such as `12 not Ready, 2 terminating`; empty when that is nothing. */
export function removedWords(removed: Removed): string {
  const parts = filters
    .filter(({ name }) => (removed[name] ?? 0) > 0)
    .map(({ name, words }) => `${removed[name]} ${words}`);
  return parts.join(', ');
}
