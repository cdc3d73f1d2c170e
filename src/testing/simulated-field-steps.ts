import type { Injection } from '../api/injection.js';
import type { Attempt, TargetAction, Undone } from '../domain/injection-observed.js';
import type { Effect } from '../domain/world.js';
import { ApiTrouble, type SimulatedCluster } from './simulated-cluster.js';
import { FROZEN } from './simulated-fields.js';
import type { Memory, Setting } from './simulated-process.js';

/** How soon what is on is looked at again. */
const LOOK = 5_000;

/** Performs an action on one target of a fault that sets a field; what comes of it goes into the memory. */
export function actOnField(
  { cluster, calls }: Setting,
  injection: Injection,
  memory: Memory,
  { do: kind, target }: TargetAction,
  seen: Effect['seen'],
): void {
  const { uid } = target;
  const { name } = injection.metadata;
  const key = `${name}/${uid}`;
  const undo = injection.status?.targets?.find((each) => each.uid === uid)?.undo;
  const origin = { name, step: injection.spec.step, round: injection.spec.round };
  const isThere = () => cluster.pods.has(uid);
  switch (kind) {
    case 'prepare':
      memory.prepared.set(
        uid,
        calls.call('read', () => (isThere() ? cluster.fields.prepare(uid) : { result: 'gone' })),
      );
      return;
    case 'inspect':
      calls.call('read', () => {
        const on = isThere() && cluster.fields.isOn(uid, key);
        const idle = cluster.pods.get(uid)?.idle ?? false;
        memory.sightings.set(uid, { on, gone: !isThere(), effective: on && !idle, wakeAt: cluster.now + LOOK });
      });
      return;
    case 'apply':
      try {
        const put = () => {
          if (!isThere()) return { result: 'gone' } as const;
          const attempt = cluster.fields.apply(uid, key, undo);
          if (attempt.result === 'done') cluster.perform('apply', origin, target, seen);
          return attempt;
        };
        const attempt = refusing<Attempt>(() => calls.call('effect', put));
        memory.outcomes.set(uid, attempt);
        if (attempt.result === 'changed') memory.certain = false;
      } catch (error) {
        memory.certain = false;
        throw error;
      }
      return;
    case 'revert': {
      const take = () => {
        if (!isThere()) return { result: 'gone' } as const;
        cluster.perform('revert', origin, target, seen);
        return cluster.fields.revert(uid, key, undo);
      };
      memory.undone.set(
        uid,
        refusing<Undone>(() => calls.call('effect', take)),
      );
    }
  }
}

function refusing<T>(attempt: () => T): T | { result: 'refused'; message: string } {
  try {
    return attempt();
  } catch (error) {
    if (error instanceof ApiTrouble && error.kind === 'refused') return { result: 'refused', message: 'forbidden' };
    throw error;
  }
}

/** Somebody else sets the field of a pod: to nothing, to something, or to what a fault would set it to. */
export function meddle(cluster: SimulatedCluster, uid: string, index: number): void {
  cluster.fields.meddle(uid, [undefined, 'other', FROZEN][index % 3]);
  for (const [key, { uid: on, step }] of cluster.active) {
    if (on === uid && !cluster.byAgent[step] && !cluster.fields.isOn(uid, key)) cluster.active.delete(key);
  }
}
