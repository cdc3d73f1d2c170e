import type { Step } from '../api/experiment.js';
import { faults } from './index.js';

/** The steps of a method, and one for every fault that goes along with another; those that are there already are not doubled. */
export function withCompanions(method: readonly Step[]): Step[] {
  return method.filter(({ companionOf }) => !companionOf).flatMap(withCompanion);
}

/** Faults that are composed of several put the others into steps of their own, right after the one that asks for them. */
function withCompanion(step: Step): Step[] {
  const fields = step as unknown as Record<string, unknown>;
  const beside = faults.map((fault) => fields[fault.name] && fault.companion?.(fields[fault.name])).find(Boolean);
  if (!beside) return [step];
  const [name] = Object.keys(beside);
  return [
    step,
    {
      // No step that people write has a dot in its name.
      name: `${step.name}.${name}`,
      companionOf: step.name,
      // All pods of the namespace, of which the draw leaves those on the nodes of the other step.
      targets: { pods: { selector: {}, minAge: '0s', unmanaged: true }, percent: 100 },
      ...(step.duration !== undefined && { duration: step.duration }),
      agent: 'Node',
      parallel: true,
      ...beside,
    },
  ];
}
