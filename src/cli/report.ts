import type { ProbeStage } from '../api/experiment.js';
import type { ExperimentRun, ProbeStatus, StageResult, StepStatus } from '../api/experiment-run.js';
import { LABEL_EXPERIMENT } from '../api/labels.js';
import type { Verdict } from '../api/reasons.js';
import { shownWords } from './evidence.js';
import { coloredHeld, coloredVerdict, columns, dim } from './text.js';

const runHeader = ['EXPERIMENT', 'VERDICT', 'REASON', 'TARGETS', 'RECOVERY'];
const stepHeader = ['  STEP', 'FAULT', 'EFFECT ON', 'EVIDENCE'];
const probeHeader = ['  PROBE', 'BEFORE', 'DURING', 'AFTER'];
const stages: readonly ProbeStage[] = ['Before', 'During', 'After'];

/** A row of the table, and how each of its cells is painted. */
interface Row {
  cells: string[];
  paint?: (cell: string, column: number, color: boolean) => string;
}

/**
 * One table of all runs: a line for each, and below it one for each of its steps of which there is more to say, and for
 * each of its probes with success rate and p95 in the three stages. They share the columns, so that it stays narrow.
 */
export function reportTable(runs: readonly ExperimentRun[], color: boolean): string {
  const hasSteps = runs.some((run) => stepsOf(run).length > 0);
  const headers = [runHeader, ...(hasSteps ? [stepHeader] : []), probeHeader];
  const rows: Row[] = [
    ...headers.map((cells) => ({ cells, paint: dimmed })),
    ...runs.flatMap((run) => [runRow(run), ...stepsOf(run).map(stepRow), ...(run.status?.probes ?? []).map(probeRow)]),
  ];
  const lines = columns(
    rows.map(({ cells }) => cells),
    (cell, row, column) => rows[row]?.paint?.(cell, column, color) ?? cell,
  );
  return lines.join('\n');
}

const dimmed = (cell: string, _column: number, color: boolean) => dim(cell, color);

function runRow({ metadata, status = {} }: ExperimentRun): Row {
  const { verdict, reason, steps = [], recoverySeconds } = status;
  const sum = (count: 'hit' | 'targets') => steps.reduce((total, step) => total + step[count], 0);
  return {
    cells: [
      metadata.labels?.[LABEL_EXPERIMENT] ?? metadata.name,
      verdict ?? '-',
      reason ?? '-',
      `${sum('hit')}/${sum('targets')}`,
      recoverySeconds === undefined ? '-' : `${recoverySeconds} s`,
    ],
    paint: (cell, column, color) =>
      column === 1 && verdict ? coloredVerdict(verdict satisfies Verdict, cell, color) : cell,
  };
}

/** Steps that have something to show, and those that had no effect on some of what they hit. */
function stepsOf({ status = {} }: ExperimentRun): StepStatus[] {
  return (status.steps ?? []).filter((step) => shownWords(step) !== '' || step.effective < step.hit);
}

function stepRow(step: StepStatus): Row {
  const { name, fault, hit, effective } = step;
  return {
    cells: [`  ${name}`, fault, `${effective} of ${hit}`, shownWords(step) || '-'],
    paint: (cell, column, color) => (column === 0 ? dim(cell, color) : cell),
  };
}

function probeRow({ name, stages: measured }: ProbeStatus): Row {
  const results = stages.map((stage) => measured.find((each) => each.stage === stage));
  return {
    cells: [`  ${name}`, ...results.map((result) => (result ? measurement(result) : '-'))],
    paint: (cell, column, color) => {
      if (column === 0) return dim(cell, color);
      return results[column - 1]?.held === false ? coloredHeld(false, cell, color) : cell;
    },
  };
}

/** Success rate and, when there were latencies, their 95th percentile: `99.2%, p95 63 ms`. */
export function measurement(result: StageResult): string {
  const { successRate, latencyP95Milliseconds: p95 } = result;
  return successRate === undefined || p95 === undefined ? rate(result) : `${rate(result)}, p95 ${Math.round(p95)} ms`;
}

/** The success rate to a tenth, and never up to what it does not reach: 99.96 % is not 100 %. */
export function rate({ successRate }: StageResult): string {
  return successRate === undefined ? '-' : `${Math.floor(successRate * 10) / 10}%`;
}
