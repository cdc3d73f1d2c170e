import type { Injection, Target } from '../../api/injection.js';
import type { InjectionAction, TargetAction } from '../../domain/injection-observed.js';
import { faultOf } from '../../faults/index.js';
import type { EventInput } from '../../kubernetes/events.js';
import { NotDoneError } from '../api-steps/outcome.js';
import { TargetSteps } from '../api-steps/target-steps.js';
import { type Context, NotLeadingError, StoppedError } from '../context.js';
import { deleteInjection, setInjectionState } from '../run-actions.js';
import { Protection, type RunNamespace } from '../safeguards/protection.js';
import { isToStop } from './injection-gather.js';
import type { InjectionMemory } from './injection-memory.js';

/** How soon what says nothing of it is looked at again. */
const LOOK_MILLISECONDS = 10_000;

/** Performs what was decided for an injection; what came of it goes into the memory. */
export async function actOnInjection(
  context: Context,
  injection: Injection,
  memory: InjectionMemory,
  action: InjectionAction,
): Promise<void> {
  const { name, uid } = injection.metadata;
  switch (action.do) {
    case 'setInjectionState':
      return setInjectionState(context, name, action.state);
    case 'deleteInjection':
      return deleteInjection(context, name, uid);
    default:
      return actOnTarget(memory, action, stepsOf(context, injection, action.target));
  }
}

async function actOnTarget(memory: InjectionMemory, action: TargetAction, steps: TargetSteps): Promise<void> {
  const { uid } = action.target;
  switch (action.do) {
    case 'prepare':
      memory.prepared.set(uid, await steps.prepare(memory.changedFrom.get(uid)));
      return;
    case 'apply':
      return apply(memory, uid, steps);
    case 'inspect':
      return inspect(memory, uid, steps);
    case 'revert':
      memory.undone.set(uid, await steps.revert());
      return;
  }
}

function stepsOf(context: Context, injection: Injection, target: Target): TargetSteps {
  const { fault, params } = faultOf(injection.spec);
  if (fault.by !== 'ApiServer') throw new Error(`${fault.name} is carried out by agents`);
  // A halt counts at once, also for what waits for its turn or for the API server.
  const permit = () => {
    if (isToStop(context, injection)) throw new StoppedError('nothing more may be hit');
  };
  const protectionIn = (namespace: RunNamespace) => new Protection(context, namespace);
  const { client, events } = context;
  const tell = (event: EventInput) => events.record(event);
  return new TargetSteps(fault.apply(params, target), { client, injection, target, permit, protectionIn, tell });
}

async function apply(memory: InjectionMemory, uid: string, steps: TargetSteps): Promise<void> {
  // Of several writes some may have been made, whatever the last one came to.
  const isOne = steps.steps.length === 1 && steps.steps[0]?.do === 'deletePod';
  try {
    const attempt = await steps.apply();
    memory.outcomes.set(uid, attempt);
    memory.unanswered.delete(uid);
    if (attempt.result !== 'changed') return;
    memory.changedFrom.set(uid, attempt.from);
    memory.certain = false;
  } catch (error) {
    if (!isNotDone(error) || !isOne) {
      memory.certain = false;
      memory.unanswered.add(uid);
    }
    throw error;
  }
}

async function inspect(memory: InjectionMemory, uid: string, steps: TargetSteps): Promise<void> {
  const { injection, client } = steps.where;
  const unfinished = memory.unfinished.get(uid) ?? [];
  const attempt = unfinished.length > 0 && injection.spec.state === 'Apply' ? await goOn(steps, unfinished) : undefined;
  const { unfinished: more, after = LOOK_MILLISECONDS, ...look } = await steps.inspect();
  memory.unfinished.set(uid, more);
  const at = client.clock.now();
  memory.sightings.set(uid, { ...look, ...attempt, at, wakeAt: at + after });
}

/** Goes on with steps that take their time. Once nothing more may be hit they are only looked at. */
async function goOn(steps: TargetSteps, unfinished: readonly number[]): Promise<{ refused?: string }> {
  try {
    const attempt = await steps.apply(unfinished);
    return attempt.result === 'refused' ? { refused: attempt.message } : {};
  } catch (error) {
    if (error instanceof StoppedError) return {};
    throw error;
  }
}

function isNotDone(error: unknown): boolean {
  return error instanceof NotDoneError || error instanceof StoppedError || error instanceof NotLeadingError;
}
