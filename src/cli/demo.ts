import { ANNOTATION_EXPECTED_VERDICT } from '../api/labels.js';
import type { Awaited } from './await-run.js';
import { awaitController } from './controller-watch.js';
import { deploy } from './deploy.js';
import { ending, onInterrupt } from './interrupt.js';
import { exitCodes, type Io, processIo } from './io.js';
import { isolationLine, type LocalCluster, startLocalCluster } from './local-cluster.js';
import { notHere } from './not-here.js';
import { reportTable } from './report.js';
import { runOne } from './run-all.js';
import { type PlannedRun, runsFromFiles } from './runs.js';
import { instructions, writeKubeconfig } from './sandbox.js';

const FOLDER = 'experiments';
const NODES = 3;

/**
 * `npm run demo`: an embedded cluster, the shop, and every experiment of the folder.
 *
 * @returns 0 when each gave the verdict that its file says it should, else 1
 */
async function demo(io: Io, keep: boolean, signal: AbortSignal): Promise<number> {
  let local: LocalCluster | undefined;
  try {
    const planned = await runsFromFiles([FOLDER], { arguments: [FOLDER], namespace: undefined }, 'default');
    io.stderr.write(`Starting an embedded cluster with ${NODES} nodes\n`);
    local = await startLocalCluster({ nodes: NODES, controller: true, agents: true, signal });
    io.stderr.write(`${isolationLine(local)}\n`);
    await deploy(local.connection, [FOLDER], { io, signal });
    await awaitController(local.connection);
    const done = await runEach(local, planned, io, signal);
    io.stdout.write(
      `${reportTable(
        done.map(({ run }) => run),
        io.color,
      )}\n\n`,
    );
    const surprises = done.filter(({ run }) => run.status?.verdict !== expected(run));
    for (const { run } of surprises) {
      io.stderr.write(
        `${run.metadata.name}: expected ${expected(run)}, was ${run.status?.verdict}: ${run.status?.message}\n`,
      );
    }
    if (surprises.length === 0)
      io.stdout.write(`All ${done.length} experiments gave the verdict their files expect.\n`);
    if (keep) await keepOpen(local, io, signal);
    return surprises.length === 0 ? 0 : 1;
  } finally {
    if (signal.aborted) io.stderr.write('Stopping\n');
    await local?.stop();
  }
}

async function runEach(
  local: LocalCluster,
  planned: readonly PlannedRun[],
  io: Io,
  signal: AbortSignal,
): Promise<Awaited[]> {
  const done: Awaited[] = [];
  for (const each of planned) {
    const obstacle = notHere(each.object, local);
    if (obstacle !== undefined) {
      io.stderr.write(`Skipping ${each.title}: ${obstacle}\n`);
      continue;
    }
    // The cluster is thrown away, so nothing has to be taken back first.
    done.push(await runOne(local.connection, each, { io, giveUp: signal }));
  }
  return done;
}

function expected({ metadata }: Awaited['run']): string {
  return metadata.annotations?.[ANNOTATION_EXPECTED_VERDICT] ?? 'Passed';
}

async function keepOpen(local: LocalCluster, io: Io, signal: AbortSignal): Promise<void> {
  const { file, remove } = await writeKubeconfig(local.cluster, undefined);
  try {
    io.stdout.write(`\n${instructions(file, local, NODES)}`);
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
  } finally {
    await remove();
  }
}

const io = processIo();
const interrupted = new AbortController();
onInterrupt(() => interrupted.abort(new Error('interrupted')), ending);
const code = await demo(io, process.argv.includes('--keep'), interrupted.signal).catch((error: Error) => {
  if (!interrupted.signal.aborted) io.stderr.write(`${error.message}\n`);
  return interrupted.signal.aborted ? exitCodes.Aborted : exitCodes.Failed;
});
process.exit(code);
