import { stringify } from 'yaml';
import type { ExperimentRun } from '../api/experiment-run.js';
import { experimentRuns } from '../controller/resources.js';
import { ApiError } from '../kubernetes/errors.js';
import { type Awaited, abortRun, awaitRun, type Watching } from './await-run.js';
import type { Connection } from './connect.js';
import { countInterrupts } from './interrupt.js';
import { ControllerMissingError, exitCodes, type Io, UsageError } from './io.js';
import { writeJunit } from './junit.js';
import { createProgress } from './progress.js';
import { reportTable } from './report.js';
import type { PlannedRun } from './runs.js';

/** How finished runs are reported. */
export interface ReportOptions {
  /** Prints the runs instead of a table. */
  output?: 'json' | 'yaml';
  /** The file of a JUnit report. */
  junit?: string;
}

/** From the gravest: the exit code of several runs is that of the worst. */
const severity: readonly number[] = [
  exitCodes.Error,
  exitCodes.Failed,
  exitCodes.Aborted,
  exitCodes.Inconclusive,
  exitCodes.Passed,
];

/** The exit code of a run that was watched to an end. */
export function exitCodeOf({ run, end }: Awaited): number {
  if (end !== 'finished') return exitCodes.Aborted;
  return exitCodes[run.status?.verdict ?? 'Error'];
}

/** The worst of several exit codes. */
export function worst(codes: readonly number[]): number {
  return severity.find((code) => codes.includes(code)) ?? exitCodes.Passed;
}

/**
 * Runs one after another and reports at the end, also on those that were over when something went wrong. Stops early when
 * one was interrupted.
 */
export async function runAll(
  connection: Connection,
  planned: readonly PlannedRun[],
  options: ReportOptions,
  io: Io,
): Promise<number> {
  const interrupts = countInterrupts();
  const done: Awaited[] = [];
  try {
    for (const each of planned) {
      if (interrupts.count > 0) break;
      done.push(await runOne(connection, each, { io, interrupts }));
    }
  } finally {
    interrupts.stop();
    const runs = done.map(({ run }) => run);
    if (done.length > 0 || interrupts.count > 0) report(runs, options, io);
    if (options.junit) await writeJunit(options.junit, runs);
  }
  return worst([...done.map(exitCodeOf), ...(interrupts.count > 0 ? [exitCodes.Aborted] : [])]);
}

/** What is said of a run that has no verdict. */
const lastWords: Record<Awaited['end'], string | undefined> = {
  finished: undefined,
  deleted: 'was deleted while it ran; its fault is taken back',
  detached: 'is left alone; the controller goes on taking its fault back',
};

/**
 * Creates one run and watches it to its end.
 *
 * @throws UsageError when the cluster refuses it, and what `awaitRun` throws
 */
export async function runOne(
  connection: Connection,
  { title, object }: PlannedRun,
  { io, ...watching }: { io: Io } & Omit<Watching, 'progress'>,
): Promise<Awaited> {
  const run = await create(connection, object);
  const progress = createProgress(title, io);
  try {
    const awaited = await awaitRun(connection, run, { progress, ...watching });
    const last = lastWords[awaited.end];
    if (last) progress.say(`experimentrun.squall.dev/${run.metadata.name} ${last}`);
    return awaited;
  } catch (error) {
    if (error instanceof ControllerMissingError)
      await abortRun(connection, run.metadata.namespace ?? '', run.metadata.name, 'no controller').catch(() => {});
    throw error;
  } finally {
    progress.end();
  }
}

async function create({ client }: Connection, object: PlannedRun['object']): Promise<ExperimentRun> {
  try {
    return (await client.create(experimentRuns, object)) as unknown as ExperimentRun;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.isAlreadyExists) throw new UsageError(`${error.message}: delete it, or give the run another name`);
    if (error.isInvalid || error.isForbidden || error.isNotFound) throw new UsageError(error.message);
    throw error;
  }
}

function report(runs: readonly ExperimentRun[], { output }: ReportOptions, io: Io): void {
  if (output === 'json') io.stdout.write(`${JSON.stringify(runs, null, 2)}\n`);
  else if (output === 'yaml') io.stdout.write(runs.map((run) => `---\n${stringify(run)}`).join(''));
  else if (runs.length > 0) io.stdout.write(`${reportTable(runs, io.color)}\n`);
}
