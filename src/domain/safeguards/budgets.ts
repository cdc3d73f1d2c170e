import type { Target } from '../../api/injection.js';
import type { SafetyPolicySpec } from '../../api/safety-policy.js';
import type { SafetyInput } from './input.js';
import type { Meter } from './meter.js';
import { sharedWords, usages } from './usage.js';

type Budget = NonNullable<SafetyPolicySpec['budgets']>[number];

/** The meters of the budgets of all policies, in which also counts what all other runs hold. */
export function budgetMeters(input: SafetyInput): Meter[] {
  return input.policies.flatMap(({ name, spec }) => (spec.budgets ?? []).map((budget) => meterOf(name, budget, input)));
}

function meterOf(policy: string, { per, maxTargets }: Budget, { reservations, zones }: SafetyInput): Meter {
  const costsOf = (target: Target) => {
    const account = accountFor(per, target, zones);
    return account === undefined ? [] : [{ account, units: [target.uid] }];
  };
  const others = usages(reservations, costsOf);
  return {
    by: `SafetyPolicy '${policy}' budgets[per=${per}]`,
    covers: () => true,
    span: 'Group',
    costs: ({ target }) => costsOf(target),
    limit: (account) => maxTargets - (others.get(account)?.count ?? 0),
    words: (account, used) => {
      const where = per === 'Cluster' ? 'the cluster' : `${per.toLowerCase()} ${account}`;
      const usage = others.get(account);
      const all = used + (usage?.count ?? 0);
      return `${where} would have ${all} targets at the same time${sharedWords(used, usage)} and may have ${maxTargets}`;
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
