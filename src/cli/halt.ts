import type { ExperimentRun } from '../api/experiment-run.js';
import { HALT_POLICY } from '../api/labels.js';
import { experimentRuns, safetyPolicies } from '../controller/resources.js';
import { ApiError } from '../kubernetes/errors.js';
import { isOver } from './await-run.js';
import { type ClusterOptions, type Connection, connectToSquall } from './connect.js';
import { exitCodes, type Io, UsageError } from './io.js';

const WAIT_MILLISECONDS = 90_000;
const LOOK_EVERY_MILLISECONDS = 250;

/** `squall halt --reason TEXT`: exit code 0 when no run is under way any more. */
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

/** `squall resume`: takes back what `halt` did, and nothing else. */
export async function resumeCommand(options: ClusterOptions, io: Io): Promise<number> {
  const connection = await connectToSquall(options, 'resume');
  try {
    await connection.client.delete(safetyPolicies, undefined, HALT_POLICY);
    io.stdout.write(`safetypolicy.squall.dev/${HALT_POLICY} deleted\n`);
    const others = (await connection.client.list(safetyPolicies)).items.filter(
      ({ metadata, spec }) => spec?.halt && metadata.name !== HALT_POLICY,
    );
    for (const { metadata } of others)
      io.stderr.write(`still halted by safetypolicy/${metadata.name}, which \`squall halt\` did not make\n`);
    return exitCodes.Passed;
  } catch (error) {
    if (!(error instanceof ApiError && error.isNotFound)) throw error;
    io.stdout.write('nothing is halted\n');
    return exitCodes.Passed;
  } finally {
    connection.close();
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

/** Waits until every run has ended, and says which have not. Returns the exit code. */
export async function awaitQuiet({ client }: Pick<Connection, 'client'>, io: Io): Promise<number> {
  const deadline = performance.now() + WAIT_MILLISECONDS;
  for (;;) {
    const open: string[] = [];
    for await (const page of client.listAll(experimentRuns)) {
      for (const run of page.items as unknown as ExperimentRun[]) {
        if (!isOver(run)) open.push(`${run.metadata.namespace}/${run.metadata.name}`);
      }
    }
    if (open.length === 0) {
      io.stdout.write('no run is under way\n');
      return exitCodes.Passed;
    }
    if (performance.now() > deadline) {
      io.stderr.write(`still under way after 90 s (is a controller running?): ${open.join(', ')}\n`);
      return exitCodes.Error;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MILLISECONDS));
  }
}
