import type { HeldTarget, Reservation } from '../survey.js';
import type { Cost } from './meter.js';

/** What other runs may have on at the same time in one account, and who they are. */
export interface Usage {
  count: number;
  /** Each as `namespace/name`. */
  runs: string[];
}

/** So many runs are named. */
const MOST_NAMED = 3;

/** What runs may have on at the same time by account: of each run its worst group of steps. */
export function usages(
  reservations: readonly Reservation[],
  costsOf: (target: HeldTarget) => readonly Cost[],
): ReadonlyMap<string, Usage> {
  const all = new Map<string, Usage>();
  for (const { run, targets } of reservations) {
    for (const [account, count] of peaks(targets, costsOf)) {
      const usage = all.get(account) ?? { count: 0, runs: [] };
      usage.count += count;
      usage.runs.push(`${run.namespace}/${run.name}`);
      all.set(account, usage);
    }
  }
  return all;
}

/** Who shares what is used, such as ` (2 of this run, 1 of shop/other)`. */
export function sharedWords(own: number, usage: Usage | undefined): string {
  if (!usage || usage.count === 0) return '';
  const named = usage.runs.slice(0, MOST_NAMED).join(', ');
  return ` (${own} of this run, ${usage.count} of ${named}${usage.runs.length > MOST_NAMED ? ', …' : ''})`;
}

function peaks(
  targets: readonly HeldTarget[],
  costsOf: (target: HeldTarget) => readonly Cost[],
): ReadonlyMap<string, number> {
  const groups = new Map<string, { account: string; units: Set<string> }>();
  for (const target of targets) {
    for (const { account, units } of costsOf(target)) {
      const key = `${target.group}/${account}`;
      const group = groups.get(key) ?? { account, units: new Set() };
      for (const unit of units) group.units.add(unit);
      groups.set(key, group);
    }
  }
  const peak = new Map<string, number>();
  for (const { account, units } of groups.values()) {
    if (units.size > 0) peak.set(account, Math.max(peak.get(account) ?? 0, units.size));
  }
  return peak;
}
