import type { IsolationWish } from '../sandbox/isolation/isolation.js';
import { type ClusterOptions, connectToSquall } from './connect.js';
import { awaitController } from './controller-watch.js';
import { type Io, UsageError } from './io.js';
import { type ReportOptions, runAll } from './run-all.js';
import { runsFromCluster, runsFromFiles, splitArguments } from './runs.js';
import { checkWritable } from './writable.js';

/** The options of `squall run`. */
export interface RunOptions extends ClusterOptions, ReportOptions {
  selector?: string;
  allNamespaces?: boolean;
  seed?: number;
  sandbox?: boolean;
  with?: string[];
  nodes?: number;
  isolation?: IsolationWish;
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
  for (const option of ['with', 'isolation'] as const) {
    if (options[option] && !options.sandbox) throw new UsageError(`--${option} can only be used with --sandbox`);
  }
}
