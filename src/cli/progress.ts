import type { ExperimentRun, StageResult } from '../api/experiment-run.js';
import type { Io } from './io.js';
import { coloredVerdict, dim } from './text.js';

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
    if (!seen.has(text)) stderr.write(`${title}: ${text}\n`);
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
  const selected = (status.selection ?? []).map(
    ({ step, chosen, candidates }) => `step ${step}: drew ${chosen} of ${candidates} candidates (seed ${status.seed})`,
  );
  const steps = (status.steps ?? [])
    .filter(({ state }) => state !== 'Waiting')
    .map(
      ({ name, fault, state, hit, targets }) =>
        `step ${name}: ${fault} ${state.toLowerCase()}, ${hit} of ${targets} targets hit`,
    );
  const stage = status.stage && status.stage !== 'Finished' ? [`${status.stage}: ${status.message}`] : [];
  const verdict = status.verdict ? [`${status.verdict} (${status.reason}): ${status.message}`] : [];
  return [...selected, ...steps, ...stage, ...verdict];
}

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const FRAME_MILLISECONDS = 120;

function liveProgress(title: string, io: Io): Progress {
  let latest: ExperimentRun | undefined;
  let drawn = 0;
  let frame = 0;
  const started = performance.now();
  const erase = () => {
    if (drawn > 0) io.stderr.write(`\x1b[${drawn}A\x1b[0J`);
    drawn = 0;
  };
  const draw = () => {
    erase();
    const mark = latest?.status?.finishTime ? '●' : (frames[frame % frames.length] ?? '');
    const lines = picture(title, latest, mark, performance.now() - started, io);
    io.stderr.write(`${lines.join('\n')}\n`);
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
    say(text) {
      erase();
      io.stderr.write(`${text}\n`);
      draw();
    },
    end() {
      clearInterval(timer);
      draw();
      io.stderr.write('\n');
    },
  };
}

function picture(title: string, run: ExperimentRun | undefined, mark: string, elapsed: number, io: Io): string[] {
  const status = run?.status;
  const stage = status?.stage ?? 'Waiting';
  const head = status?.verdict ? coloredVerdict(status.verdict, `${status.verdict} ${status.reason}`, io.color) : stage;
  const lines = [`${mark} ${title}  ${head}  ${dim(`${(elapsed / 1000).toFixed(1)} s`, io.color)}`];
  if (status?.message) lines.push(`    ${cut(status.message, io.width - 5)}`);
  for (const { name, fault, state, hit, targets, effective } of status?.steps ?? []) {
    lines.push(
      `    ${cut(`${name.padEnd(24)} ${fault} ${state}: ${hit} of ${targets} hit, ${effective} effective`, io.width - 5)}`,
    );
  }
  for (const { name, stages } of status?.probes ?? []) {
    lines.push(`    ${cut(`${name.padEnd(24)} ${stages.map(stageText).join('  ')}`, io.width - 5)}`);
  }
  return lines;
}

function stageText({ stage, held, successRate, latencyP95Milliseconds: p95 }: StageResult): string {
  const mark = held === undefined ? '·' : held ? '✓' : '✗';
  const latency = p95 === undefined ? '' : ` p95 ${Math.round(p95)} ms`;
  return `${mark} ${stage} ${successRate === undefined ? '-' : `${Math.round(successRate * 10) / 10}%`}${latency}`;
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}
