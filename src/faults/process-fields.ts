import { RE2JS } from 're2js';
import { enumeration, list, optional, string } from '../api/schema.js';
import { type Abilities, lacking } from './abilities.js';
import type { AgentPlan, FaultProblem } from './fault.js';
import type { AgentStep, ProcessMatch } from './step.js';

/** The signals that can be asked for; see signal(7). SIGSTOP and SIGCONT are what `processPause` is for. */
export const signals = ['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGABRT', 'SIGUSR1', 'SIGUSR2'] as const;

/** The field `signal`. */
export const signalField = optional(
  enumeration(
    "signal that is sent. With SIGKILL, SIGTERM, SIGINT, SIGQUIT and SIGABRT the fault has taken effect once the processes have ended, within 10s; with the others once it was delivered. A process that ignores the signal makes the fault be refused; that includes a container's first process without a handler for it, for which the kernel drops everything but SIGKILL. Left out: SIGKILL.",
    signals,
  ),
);

/** The field `containers`; `what` says what is hit when it is left out. */
export function containersField(what: string) {
  const name = string('The name of a container.', { max: 63, min: 1, pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$' });
  return optional(
    list(
      `containers by name. A pod that lacks one of them, or in which it does not run, is refused. Left out: ${what}.`,
      name,
      { max: 20, min: 1, set: true },
    ),
  );
}

const sparing =
  'Processes that were brought into a container from outside, such as by `kubectl exec` or a probe, are spared.';

/** Describes the field `pattern`; `rest` says what leaving it out means, when it can be. */
export const patternDescription = (rest = '') =>
  `pattern (RE2 syntax) that must match somewhere in the name of a process or in its command line, of which the first 4 KiB count. ${sparing}${rest}`;

/** What bounds a pattern. */
export const patternBounds = { max: 256, min: 1 };

/** What is wrong with a pattern that the schema can't say. */
export function patternProblems(fault: string, pattern: string | undefined): FaultProblem[] {
  if (pattern === undefined) return [];
  try {
    RE2JS.compile(pattern);
    return [];
  } catch (error) {
    const message = `'${pattern}' is not a pattern in RE2 syntax: ${(error as Error).message}`;
    return [{ path: [fault, 'pattern'], message }];
  }
}

/** Which processes are meant. */
export function processMatch(which: ProcessMatch['which'], containers: string[] | undefined): ProcessMatch {
  return { which, ...(containers && { containers }) };
}

/** A plan of one step for which an agent must see the processes of pods. */
export function processPlan(abilities: Abilities, step: AgentStep): AgentPlan {
  const missing = lacking(abilities, ['processes']);
  return missing === undefined
    ? { steps: [step] }
    : { refusal: `the agent can't signal processes of pods (${missing})` };
}
