import { styleText } from 'node:util';
import type { Verdict } from '../api/reasons.js';

type Color = Parameters<typeof styleText>[0];

const verdictColors = {
  Passed: 'green',
  Failed: 'red',
  Inconclusive: 'yellow',
  Aborted: 'yellow',
  Error: 'magenta',
} as const;

/** A verdict, in its colour. */
export function coloredVerdict(verdict: Verdict, text: string, color: boolean): string {
  return paint(verdictColors[verdict], text, color);
}

/** Dimmed text, for what matters less. */
export function dim(text: string, color: boolean): string {
  return paint('dim', text, color);
}

/** What held is green, what did not is red; what is not known yet has no colour. */
export function coloredHeld(held: boolean | undefined, text: string, color: boolean): string {
  return held === undefined ? text : paint(held ? 'green' : 'red', text, color);
}

function paint(style: Color, text: string, color: boolean): string {
  return color ? styleText(style, text, { validateStream: false }) : text;
}

/** Text from elsewhere on one line: control characters could move the cursor or forge a line of a log. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ');
}

/** The text, cut to a width in columns. */
export function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}

/** The text in lines of at most a width in columns, broken between words where there are any. */
export function wrap(text: string, width: number): string[] {
  const room = Math.max(10, width);
  const lines: string[] = [];
  let rest = text;
  while (rest.length > room) {
    const space = rest.lastIndexOf(' ', room);
    const end = space > 0 ? space : room;
    lines.push(rest.slice(0, end));
    rest = rest.slice(end).trimStart();
  }
  return [...lines, rest];
}

/**
 * Lines up rows in columns, two spaces apart. `paint` gets each padded cell with its row and column.
 */
export function columns(
  rows: readonly (readonly string[])[],
  paint: (cell: string, row: number, column: number) => string = (cell) => cell,
): string[] {
  const count = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  return rows.map((row, index) => {
    const used = row.findLastIndex((cell) => cell !== '') + 1;
    return row
      .slice(0, used)
      .map((cell, column) => paint(column === used - 1 ? cell : cell.padEnd(widths[column] ?? 0), index, column))
      .join('  ');
  });
}
