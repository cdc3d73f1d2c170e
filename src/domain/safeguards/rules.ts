import type { SafetyPolicySpec } from '../../api/safety-policy.js';
import { frozenBy, isOpen } from '../calendar.js';
import type { Refusal, SafetyInput } from './input.js';

/** What policies refuse whatever the numbers: faults that are not listed and, for a run that is about to start, times. */
export function policyRefusals({ policies, steps, starting, now }: SafetyInput): Refusal[] {
  const faults = [...new Set(steps.flatMap(({ facts, targets }) => (targets.length > 0 ? [facts.fault] : [])))];
  return policies.flatMap(({ name, spec }) => {
    const unlisted = spec.faults ? faults.filter((fault) => !spec.faults?.includes(fault)) : [];
    return [
      ...unlisted.map((fault) => ({
        by: `SafetyPolicy '${name}' faults`,
        message: `fault ${fault} is not among those it allows`,
      })),
      ...(starting ? timeRefusals(name, spec, now) : []),
    ];
  });
}

function timeRefusals(policy: string, { windows, freezes }: SafetyPolicySpec, now: number): Refusal[] {
  const frozen = frozenBy(freezes, now);
  const all: Refusal[] = [];
  if (!isOpen(windows, now)) {
    const message = `no run may start now, ${new Date(now).toISOString()}: it is in none of the windows`;
    all.push({ by: `SafetyPolicy '${policy}' windows`, message });
  }
  if (frozen) {
    const { from, to = from, reason } = frozen;
    const why = reason === undefined ? '' : ` (${reason})`;
    all.push({ by: `SafetyPolicy '${policy}' freezes`, message: `no run may start from ${from} to ${to}${why}` });
  }
  return all;
}
