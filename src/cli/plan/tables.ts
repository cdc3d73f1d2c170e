import type { PlaceForecast } from '../../domain/plan/forecast.js';
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
const MOST_ROWS = 15;
const MOST_NAMED = 3;
/** Of each kind. */
const MOST_CONCERNS = 5;
const performers = { ApiServer: 'controller', Node: 'agent', Sidecar: 'sidecar' } as const;

/** What is done to which target. */
export function targetTable({ steps }: Plan, { wide }: Detail): PlanTable {
  const header = ['step', 'fault', 'target', ...(wide ? ['uid'] : []), 'on', 'by', 'what is done'];
  const rows = steps.flatMap((step) => {
    const rows = step.targets.map((target) => targetRow(step, target, wide));
    return capped(rows, wide ? rows.length : MOST_TARGETS, (left) => [step.name, step.fault, `and ${left} more`]);
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
export function readyTable({ moments }: Plan, detail: Detail): PlanTable {
  return table(moments, ['Ready pods of', 'now', 'at worst', ''], detail, ({ workloads, nodes, zones }) => [
    [...workloads]
      .sort((a, b) => share(a) - share(b))
      .map(({ namespace, workload, replicas, ready, worst }) => [
        `${workload.replace('/', ' ')} in ${namespace}`,
        `${ready} of ${replicas}`,
        String(worst),
        '',
      ]),
    nodes.map((node) => placeRow('node', node)),
    zones.map((zone) => placeRow('zone', zone)),
  ]);
}

function placeRow(kind: string, { name, ready, worst, closed }: PlaceForecast): string[] {
  return [`${kind} ${name}`, String(ready), String(worst), closed ? 'takes no new pods' : ''];
}

/** How much is left of a workload; those that lose most come first. */
function share({ ready, worst }: { ready: number; worst: number }): number {
  return ready === 0 ? 1 : worst / ready;
}

/** What disruption budgets have left. */
export function budgetTable({ moments }: Plan, detail: Detail): PlanTable {
  const header = ['PodDisruptionBudget', 'wants', 'healthy', 'may lose', 'at worst', ''];
  return table(moments, header, detail, ({ budgets, heldBack }) => [
    [...budgets]
      .sort((a, b) => a.allowedWorst - b.allowedWorst)
      .map(({ namespace, name, desired, healthy, allowed, allowedWorst }) => {
        const held = heldBack.find((each) => each.namespace === namespace && each.budget === name);
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
  ]);
}

/** Whether what is made anew finds a node. */
export function placementTable({ moments }: Plan, detail: Detail): PlanTable {
  return table(moments, ['new pods of', 'fit', 'why not'], detail, ({ placements }) => [
    [...placements]
      .sort((a, b) => a.placed / a.wanted - b.placed / b.wanted)
      .map(({ namespace, workload, wanted, placed, reason = '' }) => [
        workload ? `${workload.replace('/', ' ')} in ${namespace}` : `no workload in ${namespace}`,
        `${placed} of ${wanted}`,
        reason,
      ]),
  ]);
}

/** With several groups of steps, which one is meant stands first. */
function table(
  moments: readonly PlanMoment[],
  header: string[],
  { wide }: Detail,
  parts: (moment: PlanMoment) => string[][][],
): PlanTable {
  const isOne = moments.length < 2;
  const all = moments.flatMap((moment) =>
    parts(moment)
      .flatMap((rows) => capped(rows, wide ? rows.length : MOST_ROWS, (left) => [`and ${left} more`]))
      .map((row) => (isOne ? row : [moment.steps.join(', '), ...row])),
  );
  return withoutEmpty({ header: isOne ? header : ['during', ...header], rows: all });
}

/** The first few, and how many are left. */
function capped<T>(items: readonly T[], most: number, rest: (left: number) => T): T[] {
  const left = items.length - most;
  return left > 0 ? [...items.slice(0, most), rest(left)] : [...items];
}

/** Columns in which nothing stands are left out. */
function withoutEmpty({ header, rows }: PlanTable): PlanTable {
  const used = header.map((_, column) => rows.some((row) => (row[column] ?? '') !== ''));
  const keep = (row: string[]) => row.filter((_, column) => used[column]);
  return { header: keep(header), rows: rows.map(keep) };
}

/** What people should know, of each kind the first few. */
export function concernLines({ concerns }: Plan, { wide }: Detail): string[] {
  const kinds = new Map<string, string[]>();
  for (const { kind, message } of concerns) kinds.set(kind, [...(kinds.get(kind) ?? []), message]);
  return [...kinds.values()].flatMap((messages) =>
    capped(messages, wide ? messages.length : MOST_CONCERNS, (left) => `and ${left} more like that`),
  );
}
