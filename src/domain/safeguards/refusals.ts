import type { Target } from '../../api/injection.js';
import { boundMeters } from './bounds.js';
import { budgetMeters } from './budgets.js';
import { claimedBy, claimRefusals } from './claims.js';
import type { Refusal, SafetyInput, SafetyStep } from './input.js';
import { Account, type Meter } from './meter.js';
import { policyRefusals } from './rules.js';

/** All that refuses what the steps of a run are about to be put on; empty when nothing does. */
export function refusals(input: SafetyInput): Refusal[] {
  const exceeded = meters(input).flatMap((meter) =>
    spans(meter, input.steps).flatMap((steps) => measure(meter, steps)),
  );
  const targets = input.steps.flatMap((step) => step.targets);
  const claimed = claimRefusals(claimedBy(input.reservations), targets);
  return distinct([...policyRefusals(input), ...claimed, ...exceeded]);
}

/**
 * Which of these targets a step can be put on beside what all steps are on and about to be put on, first come, first
 * served; and what refuses the others.
 */
export function fitting(
  input: SafetyInput,
  name: string,
  targets: readonly Target[],
): { fit: Target[]; refused: Refusal[] } {
  const own = input.steps.find((step) => step.name === name);
  if (!own) return { fit: [], refused: [] };
  const unlisted = policyRefusals({ ...input, steps: [{ ...own, targets }] });
  if (unlisted.length > 0) return { fit: [], refused: unlisted };
  const accounts = meters(input)
    .filter((meter) => meter.covers(own))
    .map((meter) => paid(meter, spans(meter, input.steps).find((steps) => steps.includes(own)) ?? []));
  const claimed = claimedBy(input.reservations);
  const fit: Target[] = [];
  const refused: Refusal[] = [];
  for (const target of targets) {
    const against = [...claimRefusals(claimed, [target]), ...exceededBy(accounts, { step: own, target })];
    refused.push(...against);
    if (against.length > 0) continue;
    for (const account of accounts) account.pay({ step: own, target });
    fit.push(target);
  }
  return { fit, refused: distinct(refused) };
}

function meters(input: SafetyInput): Meter[] {
  return [...boundMeters(input), ...budgetMeters(input)];
}

/** The steps whose costs a meter adds up. */
function spans(meter: Meter, steps: readonly SafetyStep[]): SafetyStep[][] {
  const covered = steps.filter((step) => meter.covers(step));
  if (meter.span === 'Run') return [covered];
  const groups = new Map<number, SafetyStep[]>();
  for (const step of covered) groups.set(step.group, [...(groups.get(step.group) ?? []), step]);
  return [...groups.values()];
}

/** The accounts of a meter with everything paid for that the steps are on and about to be put on. */
function paid(meter: Meter, steps: readonly SafetyStep[]): Account {
  const account = new Account(meter);
  for (const step of steps) {
    // What was hit before counts for ever where everything does that is ever hit.
    const before = meter.span === 'Run' ? [...step.drawn].map((uid) => ({ uid, namespace: '', name: '' })) : step.on;
    for (const target of [...before, ...step.targets]) account.pay({ step, target });
  }
  return account;
}

function measure(meter: Meter, steps: readonly SafetyStep[]): Refusal[] {
  const fresh = steps.flatMap((step) => step.targets.map((target) => ({ step, target })));
  if (fresh.length === 0) return [];
  return paid(meter, steps)
    .exceeded(fresh)
    .map(({ account, used }) => ({ by: meter.by, message: meter.words(account, used) }));
}

function exceededBy(accounts: readonly Account[], hit: { step: SafetyStep; target: Target }): Refusal[] {
  return accounts.flatMap((account) =>
    account.exceededBy(hit).map((over) => ({
      by: account.meter.by,
      message: account.meter.words(over.account, over.used),
    })),
  );
}

function distinct(all: readonly Refusal[]): Refusal[] {
  return [...new Map(all.map((each) => [`${each.by}\n${each.message}`, each])).values()];
}
