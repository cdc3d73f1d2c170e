import type { Step } from '../api/experiment.js';
import { type Abilities, abilities } from '../faults/abilities.js';
import { faultOf } from '../faults/index.js';

/** What agents that say the same of themselves can't do of a method, by the name of the step. */
export interface Plans {
  refusals: Record<string, string>;
  sidecarRefusals: Record<string, string>;
}

const MAX_WORDS = 200;
/** A Lease holds a line per ability; more than this is not one of ours. */
const MAX_ANNOTATION = 10_000;

/** What an ephemeral container lacks wherever it runs. */
const notInSidecars: Partial<Abilities> = {
  redirect: 'the userspace proxy runs in node agents only',
  processes: 'a sidecar does not see the processes of other containers',
};

/** Where no agent has tried what the kernel can do, the sidecar finds out. */
export const untriedAbilities: Abilities = {
  ...(Object.fromEntries(abilities.map((ability) => [ability, ''])) as Abilities),
  ...notInSidecars,
};

/**
 * What of a method agents with these abilities can't carry out.
 *
 * @param text the abilities as they stand on an agent's Lease, which anything may have written; `''`: there is no agent
 * @param noSidecars why there can be no sidecars in the pods' namespace; undefined: there can
 */
export function plansFor(method: readonly Step[], text: string, noSidecars?: string): Plans {
  const plans: Plans = { refusals: {}, sidecarRefusals: {} };
  const has = parseAbilities(text);
  const inSidecar = sidecarAbilities(text);
  for (const step of method) {
    const { fault, params } = faultOf(step);
    if (fault.by !== 'Agent') continue;
    const plan = fault.plan(params, has);
    if ('refusal' in plan) plans.refusals[step.name] = plan.refusal;
    const other = fault.sidecar ? fault.plan(params, inSidecar) : { refusal: `${fault.name} needs a node agent` };
    const refusal = 'refusal' in other ? other.refusal : noSidecars;
    if (refusal !== undefined) plans.sidecarRefusals[step.name] = refusal;
  }
  return plans;
}

/** What a sidecar can do on a node whose agent says this of itself; `''`: there is none. */
export function sidecarAbilities(text: string): Abilities {
  return text === '' ? untriedAbilities : { ...parseAbilities(text), ...notInSidecars };
}

/** The abilities on a Lease. What can't be read, or is not said, is not there. */
export function parseAbilities(text: string): Abilities {
  const said = objectOf(text);
  const unsaid = 'its agent does not say whether it has that';
  return Object.fromEntries(
    abilities.map((ability) => {
      const words = Object.hasOwn(said, ability) ? said[ability] : undefined;
      return [ability, typeof words === 'string' ? printable(words) : unsaid];
    }),
  ) as Abilities;
}

function objectOf(text: string): Record<string, unknown> {
  if (text.length > MAX_ANNOTATION) return {};
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : {};
  } catch {
    return {};
  }
}

/** It ends up in the message of a run, which people read on a terminal. */
function printable(words: string): string {
  return words.replace(/\p{Cc}+/gu, ' ').slice(0, MAX_WORDS);
}
