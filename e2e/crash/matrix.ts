import type { SceneResult } from './scene.js';

/** A table of what was tried and what came of it, a line for each victim and fault. */
export function matrixOf(results: readonly SceneResult[]): string {
  const rows = new Map<string, SceneResult[]>();
  for (const result of results) {
    const key = `${result.victim} | ${result.fault}`;
    rows.set(key, [...(rows.get(key) ?? []), result]);
  }
  const cells = [...rows].map(([key, of]) => {
    const longest = Math.max(...of.map(({ lastedMilliseconds = Number.NaN }) => lastedMilliseconds));
    const verdicts = [...new Set(of.map(({ verdict }) => verdict))].sort().join(', ');
    const lasted = Number.isNaN(longest) ? '' : `${(longest / 1_000).toFixed(1)} s`;
    return [...key.split(' | '), `${of.length}`, `${failed(of)}`, lasted, verdicts];
  });
  const head = ['gone or wrong', 'fault', 'cases', 'failed', 'effect lasted', 'verdicts'];
  const total = ['all', '', `${results.length}`, `${failed(results)}`, '', ''];
  return table([head, ...cells.sort((a, b) => a.join().localeCompare(b.join())), total]);
}

function failed(results: readonly SceneResult[]): number {
  return results.filter(({ problems }) => problems.length > 0).length;
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
