import type { Target } from '../../api/injection.js';
import type { SafetyPolicySpec } from '../../api/safety-policy.js';
import type { HeldTarget, Reservation } from '../survey.js';
import type { SafetyInput } from './input.js';
import type { Meter } from './meter.js';

type Budget = NonNullable<SafetyPolicySpec['budgets']>[number];

/** What other runs may have on at the same time in one account, and who they are. */
interface Usage {
  count: number;
  runs: string[];
}

/** The meters of the budgets of all policies, in which also counts what all other runs hold. */
export function budgetMeters(input: SafetyInput): Meter[] {
  return input.policies.flatMap(({ name, spec }) => (spec.budgets ?? []).map((budget) => meterOf(name, budget, input)));
}

function meterOf(policy: string, { per, maxTargets }: Budget, { reservations, zones }: SafetyInput): Meter {
  const accountOf = (target: Target) => accountFor(per, target, zones);
  const others = usages(reservations, accountOf);
  return {
    by: `SafetyPolicy '${policy}' budgets[per=${per}]`,
    covers: () => true,
    span: 'Group',
    costs: ({ target }) => {
      const account = accountOf(target);
      return account === undefined ? [] : [{ account, units: [target.uid] }];
    },
    limit: (account) => maxTargets - (others.get(account)?.count ?? 0),
    words: (account, used) => {
      const where = per === 'Cluster' ? 'the cluster' : `${per.toLowerCase()} ${account}`;
      const { count = 0, runs = [] } = others.get(account) ?? {};
      const shared =
        count > 0
          ? ` (${used} of this run, ${count} of ${runs.slice(0, 3).join(', ')}${runs.length > 3 ? ', …' : ''})`
          : '';
      return `${where} would have ${used + count} targets at the same time${shared} and may have ${maxTargets}`;
    },
  };
}

/** What a target is counted to; undefined: nothing. */
function accountFor(per: Budget['per'], target: Target, zones: ReadonlyMap<string, string>): string | undefined {
  const node = target.kind === 'Node' ? target.name : target.node;
  switch (per) {
    case 'Cluster':
      return '';
    case 'Namespace':
      return target.namespace || undefined;
    case 'Node':
      return node || undefined;
    case 'Zone':
      return target.zone ?? (node === undefined ? undefined : zones.get(node));
  }
}

/** What runs may have on at the same time: of each its worst group of steps. */
function usages(
  reservations: readonly Reservation[],
  accountOf: (target: Target) => string | undefined,
): ReadonlyMap<string, Usage> {
  const all = new Map<string, Usage>();
  for (const { run, targets } of reservations) {
    for (const [account, count] of peaks(targets, accountOf)) {
      const usage = all.get(account) ?? { count: 0, runs: [] };
      usage.count += count;
      usage.runs.push(`${run.namespace}/${run.name}`);
      all.set(account, usage);
    }
  }
  return all;
}

function peaks(
  targets: readonly HeldTarget[],
  accountOf: (target: Target) => string | undefined,
): ReadonlyMap<string, number> {
  const groups = new Map<string, { account: string; uids: Set<string> }>();
  for (const target of targets) {
    const account = accountOf(target);
    if (account === undefined) continue;
    const key = `${target.group}/${account}`;
    const group = groups.get(key) ?? { account, uids: new Set() };
    group.uids.add(target.uid);
    groups.set(key, group);
  }
  const peak = new Map<string, number>();
  for (const { account, uids } of groups.values()) peak.set(account, Math.max(peak.get(account) ?? 0, uids.size));
  return peak;
}
