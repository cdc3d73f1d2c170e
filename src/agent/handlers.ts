import type { AgentStep } from '../faults/step.js';
import type { Handler, Sighting } from './handler.js';
import { RefusedError } from './handler.js';

/** Who carries out each kind of step. */
export type Handlers = { [Do in AgentStep['do']]?: Handler<Extract<AgentStep, { do: Do }>, never> };

/** A handler of any kind of step; `undo` is what its own `prepare` made. */
export type AnyHandler = Handler<AgentStep, unknown>;

/**
 * The handler of a step.
 * @throws RefusedError when this version has none
 */
export function handlerOf(handlers: Handlers, step: AgentStep): AnyHandler {
  const found = handlers[step.do];
  if (!found) throw new RefusedError(`this version of the agent can't carry out steps of the kind '${step.do}'`);
  return found as unknown as AnyHandler;
}

/** What was seen of several steps on one target, as one. */
export function together(sightings: readonly Sighting[]): Sighting {
  const evidence: Record<string, number> = {};
  for (const sighting of sightings) {
    for (const [field, value] of Object.entries(sighting.evidence)) evidence[field] = (evidence[field] ?? 0) + value;
  }
  const drift = sightings.find((sighting) => sighting.drift !== undefined)?.drift;
  const effective = sightings.some((sighting) => sighting.effective);
  return { ...(drift !== undefined && { drift }), evidence, effective };
}
