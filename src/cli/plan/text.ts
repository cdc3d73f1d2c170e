import { styleText } from 'node:util';
import { columns, dim, printable, wrap } from '../text.js';
import type { Plan } from './plan.js';
import {
  budgetTable,
  concernLines,
  type Detail,
  othersLines,
  type PlanTable,
  placementTable,
  readyTable,
  targetTable,
} from './tables.js';

/** Where a plan is written to. */
export interface TextOptions extends Detail {
  color: boolean;
  /** How wide lines of text may be, in columns. */
  width: number;
}

/** A plan for people, in blocks of a few lines; without the `-o wide` detail only a few of what is many are named. */
export function planText(plan: Plan, options: TextOptions): string {
  const { color, width } = options;
  const blocks = [
    [headline(plan, color), ...refusalLines(plan, options)],
    [
      ...tableLines(targetTable(plan, options), color),
      ...othersLines(plan, options).flatMap((line) => wrap(line, width - 2).map((part) => dim(part, color))),
    ],
    tableLines(readyTable(plan, options), color),
    tableLines(budgetTable(plan, options), color),
    tableLines(placementTable(plan, options), color),
    concernLines(plan, options).flatMap((message) => bullet('!', message, options, 'yellow')),
    plan.unknown.flatMap((message) => bullet('?', `not known: ${message}`, options)),
    rightsLines(plan, options),
  ];
  return blocks
    .filter((lines) => lines.length > 0)
    .map((lines, index) => lines.map((line) => (index === 0 && line === lines[0] ? line : `  ${line}`)).join('\n'))
    .join('\n\n');
}

function headline({ namespace, experiment, outcome, seed }: Plan, color: boolean): string {
  const words = outcome === 'Run' ? 'would run' : 'would be refused';
  const painted = color ? styleText(outcome === 'Run' ? 'green' : 'red', words, { validateStream: false }) : words;
  return `${namespace}/${experiment}: ${painted} ${dim(`(targets drawn with --seed ${seed}; another seed draws others)`, color)}`;
}

function refusalLines({ refusals }: Plan, options: TextOptions): string[] {
  return refusals.flatMap(({ reason, message }) => bullet('✗', `${reason}: ${message}`, options, 'red'));
}

function rightsLines({ account, missingRights, role }: Plan, { color }: TextOptions): string[] {
  if (role === '') return [];
  const what =
    missingRights.length > 0
      ? `${account} lacks ${missingRights.length === 1 ? 'a right' : 'rights'}`
      : `there is no ${account}`;
  const rights = missingRights.map((right) => `# - ${printable(right)}`);
  return [`# ${what}. To grant what is missing: kubectl apply -f -`, ...rights, ...role.trimEnd().split('\n')].map(
    (line) => dim(line, color),
  );
}

function tableLines({ header, rows }: PlanTable, color: boolean): string[] {
  if (rows.length === 0) return [];
  const all = [header.map((name) => name.toUpperCase()), ...rows.map((row) => row.map(printable))];
  return columns(all, (cell, row) => (row === 0 ? dim(cell, color) : cell));
}

function bullet(mark: string, text: string, { color, width }: TextOptions, style?: 'red' | 'yellow'): string[] {
  const painted = color && style ? styleText(style, mark, { validateStream: false }) : mark;
  return wrap(printable(text), width - 4).map((line, index) => `${index === 0 ? painted : ' '} ${line}`);
}
