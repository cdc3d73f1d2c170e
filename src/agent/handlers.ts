import { fileURLToPath } from 'node:url';
import type { AgentStep } from '../faults/step.js';
import type { Handler, Inputs, Sighting } from './handler.js';
import { RefusedError } from './handler.js';
import type { Place } from './place.js';
import { PauseGuard } from './signals/guard.js';
import { pauseHandler } from './signals/pause-handler.js';
import { signalHandler } from './signals/signal-handler.js';
import { TcpDelayHandler } from './tcp-delay/handler.js';
import { trafficHandler } from './traffic/handler.js';

export { together } from './sightings.js';

/** Who carries out each kind of step. */
export type Handlers = { [Do in AgentStep['do']]?: Handler<Extract<AgentStep, { do: Do }>, unknown> };

/**
 * The handlers of an agent that runs on the node.
 * @param programs the folder with the bundles of what runs in processes of its own
 * @param warn told what an operator should know
 */
export function nodeHandlers(programs: URL, warn: (message: string) => void): Handlers {
  const program = (name: string) => fileURLToPath(new URL(name, programs));
  return {
    traffic: trafficHandler,
    tcpDelay: new TcpDelayHandler({ program: program('tcp-delay.js') }),
    signal: signalHandler(),
    pause: pauseHandler(new PauseGuard({ program: program('pause-guard.js'), warn })),
  };
}

/** A handler of any kind of step; `undo` is what its own `prepare` made. */
export type AnyHandler = Handler<AgentStep, unknown>;

/**
 * The handler of a step.
 * @throws RefusedError when this version has none
 */
export function handlerOf(handlers: Handlers, step: AgentStep): AnyHandler {
  const found = handlers[step.do];
  if (!found) throw new RefusedError(`this version of the agent can't carry out steps of the kind '${step.do}'`);
  return found as AnyHandler;
}

/**
 * Puts a step on and looks at once whether it is.
 * @throws RefusedError when it does not stay
 */
export async function putOn(handler: AnyHandler, undo: unknown, place: Place, inputs: Inputs): Promise<Sighting> {
  await handler.apply(undo, place, inputs);
  const seen = await handler.hold(undo, place, inputs);
  if (seen.drift !== undefined) throw new RefusedError(`it was put on and did not stay: ${seen.drift}`);
  return seen;
}
