import { printable } from '../text.js';
import type { Plan } from './plan.js';
import {
  budgetTable,
  concernLines,
  othersLines,
  type PlanTable,
  placementTable,
  readyTable,
  targetTable,
} from './tables.js';

/** A plan as Markdown for a pull request: a heading, what matters, and the rest folded away. */
export function planMarkdown(plan: Plan): string {
  const narrow = { wide: false };
  const blocks = [
    `### ${inline(`${plan.namespace}/${plan.experiment}`)}: ${plan.outcome === 'Run' ? 'would run' : 'would be refused'}`,
    list(plan.refusals.map(({ reason, message }) => `**${reason}**: ${inline(message)}`)),
    table(targetTable(plan, narrow)),
    list(concernLines(plan, narrow).map((message) => `⚠️ ${inline(message)}`)),
    table(readyTable(plan, narrow)),
    table(budgetTable(plan, narrow)),
    table(placementTable(plan, narrow)),
    list(plan.unknown.map((message) => `Not known: ${inline(message)}`)),
    list(othersLines(plan, narrow).map(inline)),
    roleBlock(plan),
    `<sub>Targets drawn with \`--seed ${plan.seed}\`; another seed draws others. Replacements count as not Ready yet.</sub>`,
  ];
  return blocks.filter((block) => block !== '').join('\n\n');
}

function roleBlock({ account, missingRights, role }: Plan): string {
  if (role === '') return '';
  const rights = list(missingRights.map(inline));
  const summary = `${missingRights.length} missing ${missingRights.length === 1 ? 'right' : 'rights'} of ${account}, and the Role that would grant ${missingRights.length === 1 ? 'it' : 'them'}`;
  // Longer than whatever stands in it, which could end it otherwise.
  const fence = '`'.repeat(Math.max(3, ...[...role.matchAll(/`+/g)].map(([run]) => run.length + 1)));
  return `<details><summary>${escaped(summary)}</summary>\n\n${rights}\n\n${fence}yaml\n${role.trimEnd()}\n${fence}\n\n</details>`;
}

function table({ header, rows }: PlanTable): string {
  if (rows.length === 0) return '';
  const line = (cells: string[]) => `| ${header.map((_, column) => inline(cells[column] ?? '')).join(' | ')} |`;
  return [line(header), `| ${header.map(() => '---').join(' | ')} |`, ...rows.map(line)].join('\n');
}

function list(items: readonly string[]): string {
  return items.map((item) => `- ${item}`).join('\n');
}

/** Text from elsewhere, so that it neither ends a cell nor means anything. */
function inline(text: string): string {
  return escaped(printable(text)).replace(/[\\|`*_[\]~]/g, '\\$&');
}

function escaped(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/@/g, '&#64;');
}
