import { styleText } from 'node:util';
import type { Verdict } from '../api/reasons.js';

const verdictColors = {
  Passed: 'green',
  Failed: 'red',
  Inconclusive: 'yellow',
  Aborted: 'yellow',
  Error: 'magenta',
} as const;

/** A verdict, in its colour. */
export function coloredVerdict(verdict: Verdict, text: string, color: boolean): string {
  return color ? styleText(verdictColors[verdict], text, { validateStream: false }) : text;
}

/** Dimmed text, for what matters less. */
export function dim(text: string, color: boolean): string {
  return color ? styleText('dim', text, { validateStream: false }) : text;
}

/**
 * Lines up rows in columns, two spaces apart. `paint` gets each padded cell of all rows but the first, which is the
 * header.
 */
export function columns(
  rows: readonly (readonly string[])[],
  paint: (cell: string, row: number, column: number) => string = (cell) => cell,
): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows
    .map((row, index) =>
      row
        .map((cell, column) =>
          paint(column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0), index, column),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
