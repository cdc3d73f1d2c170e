import type { ApiStep } from '../../faults/step.js';
import { deletePod } from './delete-pod.js';
import { emptyNode } from './empty-node.js';
import type { StepHandler } from './handler.js';
import { setFields } from './set-fields.js';

const handlers: { [Kind in ApiStep['do']]: StepHandler<Extract<ApiStep, { do: Kind }>> } = {
  deletePod,
  setFields,
  emptyNode,
};

/** Who performs a step. */
export function handlerOf(step: ApiStep): StepHandler<ApiStep> {
  return handlers[step.do] as StepHandler<ApiStep>;
}
