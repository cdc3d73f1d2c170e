import type { ExperimentRun } from '../api/experiment-run.js';
import { experimentRuns } from '../controller/resources.js';
import { ApiError } from '../kubernetes/errors.js';
import { abortRun, awaitRun, isOver } from './await-run.js';
import { type ClusterOptions, type Connection, connectToSquall } from './connect.js';
import { exitCodes, type Io, UsageError } from './io.js';
import { createProgress } from './progress.js';

/** The options of `squall abort`. */
export interface AbortOptions extends ClusterOptions {
  reason: string;
  wait: boolean;
}

/** `squall abort RUN`: exit code 0 when it is aborted and, unless `--no-wait`, everything is taken back. */
export async function abortCommand(name: string, options: AbortOptions, io: Io): Promise<number> {
  if (options.reason.trim() === '') throw new UsageError('--reason must say why');
  const connection = await connectToSquall(options, 'abort');
  try {
    const run = await readRun(connection, name);
    if (isOver(run))
      throw new UsageError(`experimentrun/${name} is over: ${run.status?.verdict} (${run.status?.reason})`);
    await abortRun(connection, connection.namespace, name, options.reason);
    io.stdout.write(`experimentrun.squall.dev/${name} aborted\n`);
    if (!options.wait) return exitCodes.Passed;
    const progress = createProgress(name, io);
    try {
      const { run: last } = await awaitRun(connection, run, { progress });
      return last.status?.verdict === 'Error' ? exitCodes.Error : exitCodes.Passed;
    } finally {
      progress.end();
    }
  } finally {
    connection.close();
  }
}

async function readRun({ client, namespace }: Connection, name: string): Promise<ExperimentRun> {
  try {
    return (await client.get(experimentRuns, namespace, name)) as unknown as ExperimentRun;
  } catch (error) {
    if (!(error instanceof ApiError && error.isNotFound)) throw error;
    throw new UsageError(
      `no ExperimentRun '${name}' in namespace '${namespace}': see \`kubectl get experimentruns -A\``,
    );
  }
}
