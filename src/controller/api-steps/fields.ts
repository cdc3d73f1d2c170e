import { isDeepStrictEqual } from 'node:util';
import type { FieldChange } from '../../faults/step.js';
import type { Json } from '../../kubernetes/resource.js';
import { type Edit, valueAt } from './json-path.js';

/** One field that a fault holds: what it was, and what it is while the fault is on. Plain JSON. */
export interface HeldField {
  /** Tells fields of one object apart: equal for two faults that change the same. */
  field: string;
  /** Left out: it was not there. */
  before?: Json;
  ours: Json;
  /** What it is while something else that it holds back is restored. Left out: what it was while the fault was on. */
  yielding?: Json;
}

/** How one kind of field is read and written. */
interface Access {
  read(object: Json): Json;
  /** What has to stand where in the object for the field to have this value. */
  stored(object: Json, value: Json): Edit[];
  /** Whether two values mean the same. */
  same(a: Json, b: Json): boolean;
  /** The value, for people. */
  words(value: Json): string;
}

const UNSCHEDULABLE = ['spec', 'unschedulable'];
const TAINTS = ['spec', 'taints'];
const REPLICAS = ['spec', 'replicas'];
const MINIMUM = ['spec', 'minReplicas'];
const MAXIMUM = ['spec', 'maxReplicas'];

const plain = (value: Json) => (value === undefined ? 'not set' : String(value));

const unschedulable: Access = {
  read: (node) => valueAt(node, UNSCHEDULABLE),
  stored: (_node, value) => [[UNSCHEDULABLE, value]],
  // The API server leaves `false` out.
  same: (a, b) => (a ?? false) === (b ?? false),
  words: plain,
};

const replicas: Access = {
  read: (workload) => valueAt(workload, REPLICAS),
  stored: (_workload, value) => [[REPLICAS, value]],
  same: isDeepStrictEqual,
  words: plain,
};

const autoscalerBounds: Access = {
  read: (autoscaler) => ({
    max: valueAt(autoscaler, MAXIMUM),
    ...(valueAt(autoscaler, MINIMUM) !== undefined && { min: valueAt(autoscaler, MINIMUM) }),
  }),
  stored: (_autoscaler, { min, max }) => [
    [MINIMUM, min],
    [MAXIMUM, max],
  ],
  same: isDeepStrictEqual,
  words: ({ min, max }) => `${plain(min)} to ${plain(max)}`,
};

/** Of all taints only the one with this key and effect, which the API server admits once; others stay in their order. */
function taint(key: string, effect: string): Access {
  const isIt = (each: Json) => each.key === key && each.effect === effect;
  const taintsOf = (node: Json): Json[] => valueAt(node, TAINTS) ?? [];
  return {
    read: (node) => taintsOf(node).find(isIt),
    stored(node, value) {
      const all = taintsOf(node);
      const others =
        value === undefined ? all.filter((each) => !isIt(each)) : all.map((each) => (isIt(each) ? value : each));
      const next = value === undefined || all.some(isIt) ? others : [...others, value];
      return [[TAINTS, next.length > 0 ? next : undefined]];
    },
    same: (a, b) => (a === undefined) === (b === undefined) && (a?.value ?? '') === (b?.value ?? ''),
    words: (value) => (value === undefined ? 'not there' : `there with the value '${value.value ?? ''}'`),
  };
}

const taintField = /^taint ([^:]*):(.*)$/;

function accessOf(field: string): Access {
  const [, key, effect] = taintField.exec(field) ?? [];
  if (key !== undefined && effect !== undefined) return taint(key, effect);
  if (field === 'spec.unschedulable') return unschedulable;
  if (field === 'spec.replicas') return replicas;
  if (field === 'spec.minReplicas and spec.maxReplicas') return autoscalerBounds;
  throw new Error(`this version of Squall does not know the field '${field}'`);
}

/** A change that lasts until it is taken back. */
export type LastingChange = Exclude<FieldChange, { field: 'restartedAt' }>;

/** What a change would hold of an object, as it is now. `scaled`: how many replicas the workload has. */
export function heldField(change: LastingChange, object: Json, scaled: number): HeldField {
  const wish = wanted(change, scaled);
  const before = accessOf(wish.field).read(object);
  return { ...wish, ...(before !== undefined && { before }) };
}

function wanted(change: LastingChange, scaled: number): HeldField {
  switch (change.field) {
    case 'unschedulable':
      return { field: 'spec.unschedulable', ours: change.to };
    case 'taint': {
      const { key, effect, value } = change;
      return { field: `taint ${key}:${effect}`, ours: { key, effect, ...(value !== undefined && { value }) } };
    }
    case 'replicas':
      return { field: 'spec.replicas', ours: countOf(change.to, scaled) };
    case 'autoscalerBounds': {
      // An autoscaler admits no maximum of 0, and leaves a workload alone that is scaled to 0.
      const bound = Math.max(1, countOf(change.to, scaled));
      const pinned = (count: number) => ({ max: count, min: count });
      const yielding = scaled > 0 ? { yielding: pinned(scaled) } : {};
      return { field: 'spec.minReplicas and spec.maxReplicas', ours: pinned(bound), ...yielding };
    }
  }
}

function countOf(to: { count: number } | { percent: number }, scaled: number): number {
  return 'count' in to ? to.count : Math.floor((scaled * to.percent) / 100);
}

/** Gives a field our value; one that means the same already is left as it is. */
export function taking({ field, before, ours }: HeldField): (object: Json) => Edit[] {
  const { same, stored } = accessOf(field);
  return (object) => (same(before, ours) ? [] : stored(object, ours));
}

/** Gives a field the value that lets something else be restored. */
export function yielding({ field, ours, yielding: value = ours }: HeldField): (object: Json) => Edit[] {
  return (object) =>
    accessOf(field).same(accessOf(field).read(object), value) ? [] : accessOf(field).stored(object, value);
}

/** Gives a field the value from before. */
export function restoring({ field, before }: HeldField): (object: Json) => Edit[] {
  return (object) => accessOf(field).stored(object, before);
}

/** What has become of a field that a fault holds. */
export type Holding = 'ours' | 'before' | 'else';

/** Whether a field has our value, the one from before, or another one. */
export function holdingOf({ field, before, ours, yielding: released = ours }: HeldField, object: Json): Holding {
  const { read, same } = accessOf(field);
  const now = read(object);
  if (same(now, ours) || same(now, released)) return 'ours';
  return same(now, before) ? 'before' : 'else';
}

/** What a field is now, for people, such as `spec.replicas is 3`. */
export function fieldWords({ field }: HeldField, object: Json): string {
  const { read, words } = accessOf(field);
  return `${field} is ${words(read(object))}`;
}

/** Whether a field still is what was recorded of it. */
export function isAsBefore({ field, before }: HeldField, object: Json): boolean {
  const { read } = accessOf(field);
  return isDeepStrictEqual(read(object), before);
}
