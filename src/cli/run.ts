import { stringify } from 'yaml';
import type { ExperimentRun } from '../api/experiment-run.js';
import { experimentRuns } from '../controller/resources.js';
import { ApiError } from '../kubernetes/errors.js';
import { type Awaited, abortRun, awaitRun, type Watching } from './await-run.js';
import { type ClusterOptions, type Connection, connectToSquall } from './connect.js';
import { awaitController } from './controller-watch.js';
import { countInterrupts } from './interrupt.js';
import { ControllerMissingError, exitCodes, type Io, UsageError } from './io.js';
import { writeJunit } from './junit.js';
import { createProgress } from './progress.js';
import { reportTable } from './report.js';
import { type PlannedRun, runsFromCluster, runsFromFiles, splitArguments } from './runs.js';
import { checkWritable } from './writable.js';

/** The options of `squall run`. */
export interface RunOptions extends ClusterOptions {
  output?: 'json' | 'yaml';
  junit?: string;
  selector?: string;
  allNamespaces?: boolean;
  seed?: number;
  sandbox?: boolean;
  with?: string[];
  nodes?: number;
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
 * `squall run FILE…|NAME…`: runs experiments one after another and waits for each.
 *
 * @returns the exit code: that of the worst run
 * @throws UsageError, ControllerMissingError
 */
export async function runCommand(given: readonly string[], options: RunOptions, io: Io): Promise<number> {
  const { paths, names } = await splitArguments(given);
  checkArguments(given, names, options);
  const source = { ...options, arguments: given, namespace: options.namespace };
  // Files are checked before anything is started or touched.
  if (options.junit) await checkWritable('--junit', options.junit);
  const fromFiles = paths.length > 0 ? await runsFromFiles(paths, source, options.namespace ?? '') : [];
  if (options.sandbox) {
    const { runInSandbox } = await import('./run-sandbox.js');
    return runInSandbox(fromFiles, options, io);
  }
  const connection = await connectToSquall(options, 'run');
  try {
    for (const { object } of fromFiles) object.metadata.namespace ||= connection.namespace;
    const fromCluster = await runsFromCluster(connection.client, names, source, connection.namespace);
    await awaitController(connection);
    return await runAll(connection, [...fromFiles, ...fromCluster], options, io);
  } finally {
    connection.close();
  }
}

function checkArguments(given: readonly string[], names: readonly string[], options: RunOptions): void {
  const selects = options.selector !== undefined || options.allNamespaces;
  if (given.length === 0 && !selects)
    throw new UsageError('nothing to run: name files, folders, or Experiments in the cluster (or -l, -A)');
  if (options.sandbox && (names.length > 0 || selects)) {
    throw new UsageError('--sandbox starts an empty cluster, so it can only run files: name their paths');
  }
  if (options.with && !options.sandbox) throw new UsageError('--with can only be used with --sandbox');
}

/**
 * Runs one after another and reports at the end, also on those that were over when something went wrong. Stops early when
 * one was interrupted.
 */
export async function runAll(
  connection: Connection,
  planned: readonly PlannedRun[],
  options: RunOptions,
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

function report(runs: readonly ExperimentRun[], { output }: RunOptions, io: Io): void {
  if (output === 'json') io.stdout.write(`${JSON.stringify(runs, null, 2)}\n`);
  else if (output === 'yaml') io.stdout.write(runs.map((run) => `---\n${stringify(run)}`).join(''));
  else if (runs.length > 0) io.stdout.write(`${reportTable(runs, io.color)}\n`);
}
