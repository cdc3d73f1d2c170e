import type { Plan, PlanMoment, PlanObject, PlanStep, PlanTarget } from './plan.js';
import { whyNotWords } from './plan.js';
import { stepWords } from './step-words.js';

/** A table of a plan, as text and as Markdown alike. */
export interface PlanTable {
  header: string[];
  rows: string[][];
}

/** How much is told: `wide` names everything, otherwise a few of each. */
export interface Detail {
  wide: boolean;
}

const MOST_TARGETS = 10;
const MOST_NAMED = 3;
const performers = { ApiServer: 'controller', Node: 'agent', Sidecar: 'sidecar' } as const;

/** What is done to which target. */
export function targetTable({ steps }: Plan, { wide }: Detail): PlanTable {
  const header = ['step', 'fault', 'target', ...(wide ? ['uid'] : []), 'on', 'by', 'what is done'];
  const rows = steps.flatMap((step) => {
    const told = wide ? step.targets : step.targets.slice(0, MOST_TARGETS);
    const left = step.targets.length - told.length;
    return [
      ...told.map((target) => targetRow(step, target, wide)),
      ...(left > 0 ? [[step.name, step.fault, `and ${left} more`]] : []),
    ];
  });
  return { header, rows };
}

function targetRow({ name, fault }: PlanStep, target: PlanTarget, wide: boolean): string[] {
  const what = target.refusal
    ? `can't: ${target.refusal}`
    : target.steps.map((each) => stepWords(each, target.uid)).join('; ');
  const place = [target.node, ...(wide ? [target.zone] : [])].filter((each) => each !== undefined).join(' in ');
  return [
    name,
    fault,
    objectName(target),
    ...(wide ? [target.uid] : []),
    place || '-',
    target.by ? performers[target.by] : '-',
    what,
  ];
}

function objectName({ kind, name }: Pick<PlanObject, 'kind' | 'name'>): string {
  return `${kind.toLowerCase()} ${name}`;
}

/** What of the objects that steps name would not be hit, in a line per step. */
export function othersLines({ steps }: Plan, { wide }: Detail): string[] {
  return steps.flatMap((step) => {
    const later =
      step.later.length > 0 ? [`then also ${named(step.later, wide)}, as far as nothing is Ready anew`] : [];
    const reasons = new Map<string, PlanObject[]>();
    for (const other of step.others) {
      if (step.later.some(({ uid }) => uid === other.uid)) continue;
      reasons.set(whyNotWords(other.why), [...(reasons.get(whyNotWords(other.why)) ?? []), other]);
    }
    const left = [...reasons].map(([words, objects]) => `${objects.length} ${words} (${named(objects, wide)})`);
    const not = left.length > 0 ? [`not hit of ${step.matched}: ${left.join(', ')}`] : [];
    return [...later, ...not].map((line) => `${step.name}: ${line}`);
  });
}

function named(objects: readonly PlanObject[], wide: boolean): string {
  const told = wide ? objects : objects.slice(0, MOST_NAMED);
  const left = objects.length - told.length;
  return `${told.map(({ name }) => name).join(', ')}${left > 0 ? ` and ${left} more` : ''}`;
}

/** How many pods of what is touched are Ready, now and at the worst moment. */
export function readyTable({ moments }: Plan): PlanTable {
  return table(moments, ['Ready pods of', 'now', 'at worst', ''], ({ workloads, nodes, zones }) => [
    ...workloads.map(({ namespace, workload, replicas, ready, worst }) => [
      `${workload.replace('/', ' ')} in ${namespace}`,
      `${ready} of ${replicas}`,
      String(worst),
      '',
    ]),
    ...nodes.map(({ name, ready, worst, closed }) => [`node ${name}`, String(ready), String(worst), closing(closed)]),
    ...zones.map(({ name, ready, worst, closed }) => [`zone ${name}`, String(ready), String(worst), closing(closed)]),
  ]);
}

function closing(closed: boolean): string {
  return closed ? 'takes no new pods' : '';
}

/** What disruption budgets have left. */
export function budgetTable({ moments }: Plan): PlanTable {
  return table(moments, ['PodDisruptionBudget', 'wants', 'healthy', 'may lose', 'at worst', ''], (moment) =>
    moment.budgets.map(({ namespace, name, desired, healthy, allowed, allowedWorst }) => {
      const held = moment.heldBack.find((each) => each.namespace === namespace && each.budget === name);
      const many = held && `${held.pods.length} ${held.pods.length === 1 ? 'eviction' : 'evictions'}`;
      return [
        `${name} in ${namespace}`,
        String(desired),
        String(healthy),
        String(allowed),
        allowedWorst < 0 ? `${-allowedWorst} too few` : String(allowedWorst),
        held ? `holds back ${many}${held.blocked ? '' : ' until others are Ready'}` : '',
      ];
    }),
  );
}

/** Whether what is made anew finds a node. */
export function placementTable({ moments }: Plan): PlanTable {
  return table(moments, ['new pods of', 'fit', 'why not'], ({ placements }) =>
    placements.map(({ namespace, workload, wanted, placed, reason = '' }) => [
      workload ? `${workload.replace('/', ' ')} in ${namespace}` : `no workload in ${namespace}`,
      `${placed} of ${wanted}`,
      reason,
    ]),
  );
}

/** With several groups of steps, which one is meant stands first. */
function table(moments: readonly PlanMoment[], header: string[], rows: (moment: PlanMoment) => string[][]): PlanTable {
  const isOne = moments.length < 2;
  const all = moments.flatMap((moment) => rows(moment).map((row) => (isOne ? row : [moment.steps.join(', '), ...row])));
  return withoutEmpty({ header: isOne ? header : ['during', ...header], rows: all });
}

/** Columns in which nothing stands are left out. */
function withoutEmpty({ header, rows }: PlanTable): PlanTable {
  const used = header.map(
    (name, column) =>
      (name !== '' && rows.some((row) => (row[column] ?? '') !== '')) || rows.some((row) => row[column]),
  );
  const keep = (row: string[]) => row.filter((_, column) => used[column]);
  return { header: keep(header), rows: rows.map(keep) };
}
