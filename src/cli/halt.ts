import type { ExperimentRun } from '../api/experiment-run.js';
import { HALT_POLICY } from '../api/labels.js';
import { reasons } from '../api/reasons.js';
import { experimentRuns, safetyPolicies } from '../controller/resources.js';
import { ApiError } from '../kubernetes/errors.js';
import { isOver } from './await-run.js';
import { type ClusterOptions, type Connection, connectToSquall } from './connect.js';
import { exitCodes, type Io, UsageError } from './io.js';

const WAIT_MILLISECONDS = 90_000;
const LOOK_EVERY_MILLISECONDS = 250;

/** `squall halt --reason TEXT`: exit code 0 when no run is under way any more and nothing of their faults is left. */
export async function haltCommand(options: ClusterOptions & { reason: string }, io: Io): Promise<number> {
  if (options.reason.trim() === '') throw new UsageError('--reason must say why');
  const connection = await connectToSquall(options, 'halt');
  try {
    const done = await createHalt(connection, options.reason);
    io.stdout.write(
      `safetypolicy.squall.dev/${HALT_POLICY} ${done}: no run goes on or starts until \`squall resume\`\n`,
    );
    return await awaitQuiet(connection, io);
  } finally {
    connection.close();
  }
}

/** `squall resume`: takes back what `halt` did, and nothing else. Exit code 3 when other policies still halt everything. */
export async function resumeCommand(options: ClusterOptions, io: Io): Promise<number> {
  const connection = await connectToSquall(options, 'resume');
  try {
    const isDeleted = await deleteHalt(connection);
    const others = (await connection.client.list(safetyPolicies)).items.filter(({ spec }) => spec?.halt);
    if (isDeleted) io.stdout.write(`safetypolicy.squall.dev/${HALT_POLICY} deleted\n`);
    else if (others.length === 0) io.stdout.write('nothing is halted\n');
    for (const { metadata, spec } of others)
      io.stderr.write(
        `still halted by safetypolicy/${metadata.name} (${spec.halt.reason}), which \`squall halt\` did not make: take \`spec.halt\` out where it comes from\n`,
      );
    return others.length > 0 ? exitCodes.Inconclusive : exitCodes.Passed;
  } finally {
    connection.close();
  }
}

/** Returns whether the policy of `halt` was there. */
async function deleteHalt({ client }: Connection): Promise<boolean> {
  try {
    await client.delete(safetyPolicies, undefined, HALT_POLICY);
    return true;
  } catch (error) {
    if (error instanceof ApiError && error.isNotFound) return false;
    throw error;
  }
}

/** Returns what was done about the policy. One that halts already may be somebody else's, and stays as it is. */
export async function createHalt({ client }: Pick<Connection, 'client'>, reason: string): Promise<string> {
  try {
    await client.create(safetyPolicies, { metadata: { name: HALT_POLICY }, spec: { halt: { reason } } });
    return 'created';
  } catch (error) {
    if (!(error instanceof ApiError && error.isAlreadyExists)) throw error;
    const { spec } = await client.get(safetyPolicies, undefined, HALT_POLICY);
    if (spec?.halt) return `was there already (${spec.halt.reason})`;
    await client.patch(safetyPolicies, undefined, HALT_POLICY, { spec: { halt: { reason } } });
    return 'changed';
  }
}

/** Waits until every run has ended, and says which these were, and which have not or may have left something behind. */
export async function awaitQuiet({ client }: Pick<Connection, 'client'>, io: Io): Promise<number> {
  const deadline = performance.now() + WAIT_MILLISECONDS;
  let runs = await listRuns(client);
  const stopped = runs.filter((run) => !isOver(run));
  const many = stopped.length === 1 ? '1 run' : `${stopped.length} runs`;
  if (stopped.length > 0) io.stdout.write(`stopping ${many}: ${namesOf(stopped)}\n`);
  for (let open = stopped; open.length > 0; open = runs.filter((run) => !isOver(run))) {
    if (performance.now() > deadline) {
      io.stderr.write(`still under way after 90 s (is a controller running?): ${namesOf(open)}\n`);
      return exitCodes.Error;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MILLISECONDS));
    runs = await listRuns(client);
  }
  const isClean = reportLeftovers(runs, new Set(stopped.map(({ metadata }) => metadata.uid)), io);
  io.stdout.write('no run is under way\n');
  return isClean ? exitCodes.Passed : exitCodes.Error;
}

async function listRuns(client: Connection['client']): Promise<ExperimentRun[]> {
  const runs: ExperimentRun[] = [];
  for await (const { items, restarted } of client.listAll(experimentRuns)) {
    if (restarted) runs.length = 0;
    runs.push(...(items as unknown as ExperimentRun[]));
  }
  return runs;
}

function namesOf(runs: readonly ExperimentRun[]): string {
  return runs.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).join(', ');
}

/** Names those of the runs that were stopped whose faults are not proven to be gone. Returns whether there are none. */
function reportLeftovers(runs: readonly ExperimentRun[], stopped: ReadonlySet<string>, io: Io): boolean {
  const unclean = runs.filter(({ metadata, status }) => {
    const reason = status?.reason;
    return stopped.has(metadata.uid) && reason !== undefined && 'cleanup' in reasons[reason];
  });
  for (const run of unclean) io.stderr.write(`${namesOf([run])}: ${run.status?.reason}: ${run.status?.message}\n`);
  return unclean.length === 0;
}
