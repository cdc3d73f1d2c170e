import type { ExperimentRun, ProbeStage, StageResult, StepStatus } from '../api/experiment-run.js';
import { removedWords } from '../domain/draw.js';
import { shownWords } from './evidence.js';
import type { Io } from './io.js';
import { measurement, rate } from './report.js';
import { coloredHeld, coloredVerdict, columns, cut, dim, printable, wrap } from './text.js';

/** Shows how runs go, on stderr. */
export interface Progress {
  /** Shows the newest state of a run. */
  show(run: ExperimentRun): void;
  /** Says something beside it. */
  say(text: string): void;
  /** Ends the display of this run; its last state stays. */
  end(): void;
}

/** Redrawn in place on a terminal; a line per change otherwise. */
export function createProgress(title: string, io: Io): Progress {
  return io.live ? liveProgress(title, io) : lineProgress(title, io);
}

function lineProgress(title: string, { stderr }: Io): Progress {
  const seen = new Set<string>();
  const line = (text: string) => {
    if (!seen.has(text)) stderr.write(`${title}: ${printable(text)}\n`);
    seen.add(text);
  };
  return {
    show(run) {
      for (const text of changes(run)) line(text);
    },
    say: (text) => void stderr.write(`${title}: ${text}\n`),
    end() {},
  };
}

/** What is worth a line, in the order in which it happens. */
function changes({ status }: ExperimentRun): string[] {
  if (!status) return [];
  const selected = (status.selection ?? []).map(({ step, chosen, candidates, removed }) => {
    const words = removedWords(removed);
    const left = words === '' ? '' : `, left out ${words}`;
    return `step ${step}: drew ${chosen} of ${candidates} candidates (seed ${status.seed})${left}`;
  });
  const steps = (status.steps ?? [])
    .filter(({ state }) => state !== 'Waiting')
    .map((step) => `step ${step.name}: ${step.fault} ${step.state.toLowerCase()}${seen(step)}`);
  const stage = status.stage && status.stage !== 'Finished' ? [`${status.stage}: ${status.message}`] : [];
  const verdict = status.verdict ? [`${status.verdict} (${status.reason}): ${status.message}`] : [];
  return [...selected, ...steps, ...stage, ...verdict];
}

/** How far a step has come; what it has shown is known once its fault is off. */
function seen(step: StepStatus): string {
  const { state, hit, targets, effective, endTime } = step;
  if (state === 'Skipped') return '';
  const shown = endTime && hit > 0 ? `${effective} of ${hit} showed the effect` : '';
  const parts = [`${hit} of ${targets} targets hit`, shown, shownWords(step)];
  return parts.map((part) => part && `, ${part}`).join('');
}

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const FRAME_MILLISECONDS = 120;

function liveProgress(title: string, io: Io): Progress {
  let latest: ExperimentRun | undefined;
  let drawn = 0;
  let frame = 0;
  const started = performance.now();
  // The lines are overwritten rather than erased first, which would flicker. A `^C` may stand where the cursor is.
  const rewind = () => (drawn > 0 ? `\r\x1b[${drawn}A` : '');
  const draw = (more = '', ended = false) => {
    const spinner = frames[frame % frames.length] ?? '';
    const all = picture(title, latest, spinner, performance.now() - started, { io, ended });
    // The cursor can't go back to what has scrolled out of the window.
    const lines = ended ? all : all.slice(0, Math.max(1, io.height - 1));
    io.stderr.write(`${rewind()}${more}${lines.map((line) => `${line}\x1b[K\n`).join('')}\x1b[0J`);
    drawn = lines.length;
  };
  const timer = setInterval(() => {
    frame += 1;
    draw();
  }, FRAME_MILLISECONDS);
  return {
    show(run) {
      latest = run;
      draw();
    },
    say: (text) => draw(`${text}\x1b[K\n`),
    end() {
      clearInterval(timer);
      draw('', true);
      io.stderr.write('\n');
    },
  };
}

function picture(
  title: string,
  run: ExperimentRun | undefined,
  spinner: string,
  elapsed: number,
  { io, ended }: { io: Io; ended: boolean },
): string[] {
  const { color, width } = io;
  const { stage = 'Waiting', verdict, reason, message, steps = [], probes = [] } = run?.status ?? {};
  const time = `${(elapsed / 1000).toFixed(1)} s`;
  const state = verdict ? `${verdict} (${reason})` : stage;
  const mark = verdict ? '●' : ended ? '○' : spinner;
  const inVerdict = (text: string) => (verdict ? coloredVerdict(verdict, text, color) : text);
  const room = width - state.length - time.length - 7;
  const lines = [
    room < 1
      ? cut(`${mark} ${state}`, width - 1)
      : `${inVerdict(mark)} ${cut(title, room)}  ${inVerdict(state)}  ${dim(time, color)}`,
  ];
  // The last word is worth as many lines as it takes; on the way, lines that come and go would make everything jump.
  const text = printable(message ?? '');
  if (text !== '') lines.push(...(ended ? wrap(text, width - 3) : [cut(text, width - 3)]).map((line) => `  ${line}`));
  const widest = Math.max(0, ...[...steps, ...probes].map((each) => each.name.length));
  const stepLines = steps.map((step) => {
    const { name, fault, state, hit, targets, effective } = step;
    const counted = shownWords(step);
    const words = `${hit} of ${targets} hit, ${effective} effective${counted && `, ${counted}`}`;
    return cut(`  ${name.padEnd(widest)}  ${fault} ${state}: ${words}`, width - 1);
  });
  return [...lines, ...stepLines, ...probeLines(probes, widest, io)];
}

type Probes = NonNullable<NonNullable<ExperimentRun['status']>['probes']>;
const probeStages: readonly ProbeStage[] = ['Before', 'During', 'After'];

function probeLines(probes: Probes, widest: number, { color, width }: Io): string[] {
  const results = probes.map(({ stages }) => probeStages.map((stage) => stages.find((each) => each.stage === stage)));
  const rowsWith = (text: (result: StageResult) => string) =>
    probes.map(({ name }, index) => [
      `  ${name.padEnd(widest)}`,
      ...(results[index] ?? []).map((result) => (result ? stageText(result, text(result)) : '')),
    ]);
  // Rates matter more than latencies where there is no room for both.
  for (const text of [measurement, rate]) {
    const rows = rowsWith(text);
    if (columns(rows).every((line) => line.length < width))
      return columns(rows, (cell, row, column) => coloredHeld(results[row]?.[column - 1]?.held, cell, color));
  }
  return columns(rowsWith(rate)).map((line) => cut(line, width - 1));
}

function stageText({ held, stage }: StageResult, measured: string): string {
  const mark = held === undefined ? '·' : held ? '✓' : '✗';
  return `${mark} ${stage.toLowerCase()} ${measured}`;
}
