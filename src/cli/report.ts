import type { ProbeStage } from '../api/experiment.js';
import type { ExperimentRun, StageResult } from '../api/experiment-run.js';
import { LABEL_EXPERIMENT } from '../api/labels.js';
import { coloredVerdict, columns, dim } from './text.js';

const header = ['EXPERIMENT', 'VERDICT', 'REASON', 'TARGETS', 'PROBE', 'SUCCESS', 'P95', 'RECOVERY'];
const stages: readonly ProbeStage[] = ['Before', 'During', 'After'];

/** One table of all runs: a line per probe, success rate and p95 as `before → during → after`. */
export function reportTable(runs: readonly ExperimentRun[], color: boolean): string {
  const rows = [header, ...runs.flatMap(rowsOf)];
  return columns(rows, (cell, row, column) => {
    if (row === 0) return dim(cell, color);
    const verdict = cell.trim();
    if (column === 1 && verdict !== '') return coloredVerdict(verdict as never, cell, color);
    return cell;
  });
}

function rowsOf(run: ExperimentRun): string[][] {
  const status = run.status ?? {};
  const name = run.metadata.labels?.[LABEL_EXPERIMENT] ?? run.metadata.name;
  const hit = (status.steps ?? []).reduce((sum, step) => sum + step.hit, 0);
  const wanted = (status.steps ?? []).reduce((sum, step) => sum + step.targets, 0);
  const recovery = status.recoverySeconds === undefined ? '-' : `${status.recoverySeconds} s`;
  const about = [name, status.verdict ?? '-', status.reason ?? '-', `${hit}/${wanted}`];
  const probes = (status.probes ?? []).map(({ name: probe, stages: results }) => [
    probe,
    trend(results, ({ successRate }) => (successRate === undefined ? undefined : `${round(successRate)}%`)),
    trend(results, ({ latencyP95Milliseconds: p95 }) => (p95 === undefined ? undefined : `${round(p95)} ms`)),
  ]);
  const [first = ['-', '-', '-'], ...others] = probes;
  return [[...about, ...first, recovery], ...others.map((probe) => ['', '', '', '', ...probe, ''])];
}

function trend(results: readonly StageResult[], value: (result: StageResult) => string | undefined): string {
  const values = stages.map((stage) => {
    const result = results.find((each) => each.stage === stage);
    return (result && value(result)) ?? '-';
  });
  return values.every((each) => each === '-') ? '-' : values.join(' → ');
}

function round(value: number): number {
  return value >= 100 ? Math.round(value) : Math.round(value * 10) / 10;
}
