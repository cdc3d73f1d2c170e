import type { StepSafeguards } from '../../api/safeguards.js';
import type { SafetyFacts, SafetyInput, SafetyStep } from './input.js';
import type { Hit, Meter } from './meter.js';
import { type PodHit, PodIndex, workloadKey } from './pods-hit.js';
import { sharedWords, usages } from './usage.js';

/** What is known of the fault of another run. */
const plainly: SafetyFacts = { fault: '', disrupts: true, removesPods: false };

/** Safeguards, where they stand, and what they are about. */
interface Bounds {
  safeguards: StepSafeguards;
  /** Names one of them, such as `safeguards.maxTargets of step 'kill'`. */
  by(field: keyof StepSafeguards): string;
  /** What they are about, such as `the run` or `step 'kill'`. */
  who: string;
  covers(step: SafetyStep): boolean;
}

/** The safeguards of the run, of its steps, and of policies, which all hold at once. */
function allBounds({ safeguards, steps, policies }: SafetyInput): Bounds[] {
  const all: Bounds[] = [];
  const everything = { who: 'the run', covers: () => true };
  if (safeguards) all.push({ safeguards, by: (field) => `safeguards.${field}`, ...everything });
  for (const { name, safeguards: own } of steps) {
    if (!own) continue;
    const by = (field: string) => `safeguards.${field} of step '${name}'`;
    all.push({ safeguards: own, by, who: `step '${name}'`, covers: (step) => step.name === name });
  }
  for (const { name, spec } of policies) {
    if (!spec.safeguards) continue;
    const by = (field: string) => `SafetyPolicy '${name}' safeguards.${field}`;
    all.push({ safeguards: spec.safeguards, by, ...everything });
  }
  return all;
}

/** Whether something of the cluster must be known to tell what safeguards refuse. */
export function dependOnCluster(safeguards: StepSafeguards | undefined): boolean {
  const { maxPercentOfWorkload, minReady, respectDisruptionBudgets } = safeguards ?? {};
  return maxPercentOfWorkload !== undefined || minReady !== undefined || respectDisruptionBudgets === true;
}

/** The meters of all safeguards: what may be hit at all, and what of the pods may be out of service at the same time. */
export function boundMeters(input: SafetyInput): Meter[] {
  const index = new PodIndex(input);
  return allBounds(input).flatMap((bounds) => [
    ...maxTargets(bounds),
    ...maxPercentOfWorkload(bounds, input, index),
    ...respectDisruptionBudgets(bounds, input, index),
    ...minReady(bounds, input, index),
  ]);
}

function maxTargets({ safeguards, by, who, covers }: Bounds): Meter[] {
  const { maxTargets: max } = safeguards;
  if (max === undefined) return [];
  return [
    {
      by: by('maxTargets'),
      covers,
      span: 'Run',
      costs: ({ target }) => [{ account: '', units: [target.uid] }],
      limit: () => max,
      words: (_account, used) => `${who} would hit ${used} targets and may hit ${max}`,
    },
  ];
}

function maxPercentOfWorkload({ safeguards, by, covers }: Bounds, input: SafetyInput, index: PodIndex): Meter[] {
  const { maxPercentOfWorkload: percent } = safeguards;
  if (percent === undefined) return [];
  const facts = factsByWorkload(input);
  const limit = (account: string) => Math.floor(((facts.get(account)?.replicas ?? 0) * percent) / 100);
  return [
    {
      by: by('maxPercentOfWorkload'),
      covers,
      span: 'Group',
      costs: (hit) => byWorkload(index.hit(hit.step.facts, hit.target).filter((pod) => !isReplaced(pod, hit, facts))),
      limit,
      words: (account, used) =>
        facts.has(account)
          ? `${used} pods of ${account} would be hit at the same time, and ${percent} % of its ${facts.get(account)?.replicas} are ${limit(account)}`
          : `${used} pods of ${account} would be hit, and how many it has is not known`,
    },
  ];
}

/** A pod that is gone counts until its workload is whole again. */
function isReplaced(
  { namespace, workload = '' }: PodHit,
  { step, target }: Hit,
  facts: ReturnType<typeof factsByWorkload>,
): boolean {
  if (!step.gone.has(target.uid)) return false;
  const found = facts.get(workloadKey(namespace, workload));
  return found !== undefined && found.ready >= found.replicas;
}

function respectDisruptionBudgets({ safeguards, by, covers }: Bounds, input: SafetyInput, index: PodIndex): Meter[] {
  if (safeguards.respectDisruptionBudgets !== true) return [];
  const budgets = new Map(input.disruptionBudgets.map((budget) => [`${budget.namespace}/${budget.name}`, budget]));
  const costsOf = (lost: readonly PodHit[]) =>
    [...budgets].map(([account, { pods }]) => ({
      account,
      units: lost.flatMap(({ uid }) => (pods.has(uid) ? [uid] : [])),
    }));
  const others = usages(input.reservations, (target) => costsOf(target.disrupts ? index.hit(plainly, target) : []));
  return [
    {
      by: by('respectDisruptionBudgets'),
      covers,
      span: 'Group',
      // Evictions are checked by the API server, one by one.
      costs: (hit) => costsOf(hit.step.facts.disrupts ? podsLost(hit, index) : []),
      limit: (account) => (budgets.get(account)?.allowed ?? 0) - (others.get(account)?.count ?? 0),
      words: (account, used) => {
        const { allowed = 0, unknown } = budgets.get(account) ?? {};
        const usage = others.get(account);
        const why = unknown ? `, because ${unknown}` : '';
        const all = used + (usage?.count ?? 0);
        return `${all} pods of PodDisruptionBudget ${account} would be taken out of service${sharedWords(used, usage)}, and it allows ${allowed} now${why}`;
      },
    },
  ];
}

function minReady({ safeguards, by, covers }: Bounds, input: SafetyInput, index: PodIndex): Meter[] {
  const { minReady: least } = safeguards;
  if (least === undefined) return [];
  const facts = factsByWorkload(input);
  return [
    {
      by: by('minReady'),
      covers,
      span: 'Group',
      costs: (hit) => byWorkload(podsLost(hit, index).filter(({ ready }) => ready)),
      limit: (account) => (facts.get(account)?.ready ?? 0) - least,
      words: (account, used) => {
        const ready = facts.get(account)?.ready;
        if (ready === undefined) return `how many pods of ${account} are Ready is not known, and ${least} must stay so`;
        return `${Math.max(0, ready - used)} of ${ready} pods of ${account} would stay Ready, and ${least} must`;
      },
    },
  ];
}

/** The pods that are out of service while the fault is on, and were not before. */
function podsLost({ step, target }: Hit, index: PodIndex): readonly PodHit[] {
  const isLost = (step.facts.disrupts || step.facts.evicts) && !step.gone.has(target.uid);
  return isLost ? index.hit(step.facts, target) : [];
}

function byWorkload(pods: readonly PodHit[]): { account: string; units: string[] }[] {
  const units = new Map<string, string[]>();
  for (const { namespace, workload, uid } of pods) {
    if (workload === undefined) continue;
    const account = workloadKey(namespace, workload);
    units.set(account, [...(units.get(account) ?? []), uid]);
  }
  return [...units].map(([account, own]) => ({ account, units: own }));
}

function factsByWorkload({ workloads }: SafetyInput): Map<string, SafetyInput['workloads'][number]> {
  return new Map(workloads.map((each) => [workloadKey(each.namespace, each.workload), each]));
}
