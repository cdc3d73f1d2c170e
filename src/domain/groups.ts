import type { Step } from '../api/experiment.js';

/** Splits a method into groups of steps that start together. */
export function groups(method: readonly Step[]): Step[][] {
  const result: Step[][] = [];
  for (const step of method) {
    if (step.parallel && result.length > 0) result.at(-1)?.push(step);
    else result.push([step]);
  }
  return result;
}

/** In which group of a method each step is, by its name, counted from 0. */
export function groupNumbers(method: readonly Step[]): ReadonlyMap<string, number> {
  return new Map(groups(method).flatMap((group, place) => group.map(({ name }) => [name, place] as const)));
}
