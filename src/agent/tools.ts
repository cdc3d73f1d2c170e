import type { Target } from '../api/injection.js';
import type { Abilities } from '../faults/abilities.js';
import type { AgentStep } from '../faults/step.js';
import type { Client } from '../kubernetes/client.js';
import { ApiError } from '../kubernetes/errors.js';
import { type KubeObject, pods } from '../kubernetes/resource.js';
import { type Inputs, RefusedError } from './handler.js';
import type { Handlers } from './handlers.js';
import type { InjectionInputs } from './inputs.js';
import type { JournalRecord } from './journal.js';
import type { Place } from './place.js';

/** Where pods of this node are found; `NodePlaces` is the one for node agents. */
export interface Places {
  find(pod: KubeObject): Promise<Place>;
  findAgain(known: { bootId: string; networkNamespace: string; target: Target }): Promise<Place>;
  isGone(known: { bootId: string; networkNamespace: string; target?: Target }): Promise<boolean>;
  bootId(): Promise<string>;
}

/** What all faults of an agent share. */
export interface Tools {
  client: Client;
  places: Places;
  journal: {
    intend(record: JournalRecord): Promise<void>;
    clean(id: string): Promise<void>;
  };
  handlers: Handlers;
  bootId: string;
  bootMilliseconds(): Promise<number>;
  abilities(): Promise<Abilities>;
}

/** The API server could not say now; nothing was touched since, and it is to be tried again. */
export class LaterError extends Error {
  override readonly name = 'LaterError';
}

/** A target as it was found a moment ago. */
export interface Found {
  pod: KubeObject;
  place: Place;
}

/**
 * A target as the API server has it; undefined when it has ended, is not there, or is another pod of that name.
 * @throws LaterError when there was no answer, RefusedError when the agent may not read it
 */
export async function readTarget(client: Client, { namespace, name, uid }: Target): Promise<KubeObject | undefined> {
  try {
    const pod = await client.get(pods, namespace, name, { timeoutMs: 5_000, priority: 'high' });
    const hasEnded = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
    return pod.metadata.uid === uid && !hasEnded ? pod : undefined;
  } catch (error) {
    if (error instanceof ApiError && error.isNotFound) return undefined;
    if (error instanceof ApiError && error.isForbidden) throw new RefusedError(error.message);
    throw new LaterError(messageOf(error), { cause: error });
  }
}

/**
 * What a step depends on.
 * @throws LaterError when nobody could say now, RefusedError when something named is not there
 */
export async function readInputs(
  inputs: InjectionInputs,
  step: AgentStep,
  { place, pod }: Found,
  isFirst: boolean,
): Promise<Inputs> {
  try {
    return await inputs.of(step, place, pod, isFirst);
  } catch (error) {
    if (error instanceof RefusedError) throw error;
    throw new LaterError(messageOf(error), { cause: error });
  }
}

/** What went wrong, in words. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
