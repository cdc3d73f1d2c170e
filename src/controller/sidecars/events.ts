import type { Injection, Target, TargetState, TargetStatus } from '../../api/injection.js';
import { faultOf } from '../../faults/index.js';
import { podReference } from '../../kubernetes/events.js';
import type { Context } from '../context.js';

/** What is told on a pod when its fault enters a state. */
const notes: { [State in TargetState]?: { type: 'Normal' | 'Warning'; reason: string } } = {
  Applying: { type: 'Warning', reason: 'FaultVanished' },
  Confirmed: { type: 'Normal', reason: 'FaultInjected' },
  Failed: { type: 'Warning', reason: 'FaultFailed' },
  Reverted: { type: 'Normal', reason: 'FaultReverted' },
};

/** Tells, in the log and on the pod, that a fault has entered a state on it. */
export function tellOf(
  { events, log }: Pick<Context, 'events' | 'log'>,
  { spec, metadata }: Injection,
  target: Target,
  { state, message = '', drifts }: TargetStatus,
): void {
  const { name: fault } = faultOf(spec).fault;
  const note = notes[state];
  log.info(
    { injection: metadata.name, pod: `${target.namespace}/${target.name}`, fault, state, message, drifts },
    'Fault by a sidecar',
  );
  if (!note || (state === 'Applying' && drifts === undefined)) return;
  const whose = `${fault} by step '${spec.step}' of run ${spec.run.namespace}/${spec.run.name}`;
  events.record({
    object: podReference(target),
    type: note.type,
    reason: note.reason,
    message: message === '' ? whose : `${whose}: ${message}`,
  });
}
