import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Cluster, sandboxContext } from '../sandbox/cluster.js';
import type { IsolationWish } from '../sandbox/isolation/isolation.js';
import { ending, onAbort, onInterrupt } from './interrupt.js';
import { exitCodes, type Io, UsageError } from './io.js';
import { isolationLine, type LocalCluster, startLocalCluster } from './local-cluster.js';
import { checkWritable } from './writable.js';

/** The options of `squall sandbox`. `kubeconfig` is where the cluster's kubeconfig is written. */
export interface SandboxOptions {
  nodes: number;
  port?: number;
  kubeconfig?: string;
  controller?: boolean;
  isolation?: IsolationWish;
  systemNamespace?: string;
}

/** `squall sandbox`: an embedded cluster until SIGINT, SIGTERM or SIGHUP. */
export async function sandboxCommand(options: SandboxOptions, io: Io): Promise<number> {
  const interrupted = new AbortController();
  onInterrupt(() => interrupted.abort(new Error('interrupted')), ending);
  if (options.kubeconfig !== undefined) {
    await checkWritable('--kubeconfig', options.kubeconfig);
    await refuseForeign(options.kubeconfig);
  }
  try {
    await serve(options, io, interrupted.signal);
  } catch (error) {
    if (!interrupted.signal.aborted) throw error;
  }
  return exitCodes.Passed;
}

async function serve(options: SandboxOptions, io: Io, signal: AbortSignal): Promise<void> {
  const { nodes, port, controller = false, isolation, systemNamespace } = options;
  const local = await startLocalCluster({
    nodes,
    controller,
    agents: controller,
    signal,
    ...(isolation && { isolation }),
    ...(port !== undefined && { port }),
    ...(systemNamespace && { systemNamespace }),
  });
  let written: WrittenFile | undefined;
  try {
    written = await writeKubeconfig(local.cluster, options.kubeconfig);
    io.stdout.write(`ready\n${instructions(written.file, local, nodes)}`);
    await new Promise<void>((resolve) => onAbort(signal, resolve));
    io.stderr.write('stopping\n');
  } finally {
    await local.stop();
    await written?.remove();
  }
}

/** How to use a sandbox from another terminal. */
export function instructions(file: string, local: LocalCluster, nodes: number): string {
  const { cluster, controller } = local;
  const lines = [
    `An embedded Kubernetes cluster with ${nodes} ${nodes === 1 ? 'node' : 'nodes'} is at ${cluster.url}.`,
    isolationLine(local),
    'In another terminal:',
    '',
    `  export KUBECONFIG=${file}`,
    '  kubectl get nodes',
    ...(controller ? [] : ['  squall controller        # carries out runs; stays in the foreground']),
    '  squall run FILE',
    '',
    'Ctrl-C ends it, and leaves nothing behind.',
    '',
  ];
  return lines.join('\n');
}

/** A file that is removed at the end. */
interface WrittenFile {
  file: string;
  remove(): Promise<void>;
}

/** Writes the kubeconfig where it was asked for, or into the cluster's own folder; either is removed at the end. */
export async function writeKubeconfig(
  { kubeconfig: text, directory }: Cluster,
  wanted: string | undefined,
): Promise<WrittenFile> {
  const file = wanted ?? join(directory, 'kubeconfig');
  await writeFile(file, text, { mode: 0o600 });
  const isOurs = async () => (await readFile(file, 'utf8').catch(() => '')) === text;
  // Another sandbox may have written its own there meanwhile.
  return { file, remove: async () => ((await isOurs()) ? rm(file, { force: true }) : undefined) };
}

/** A kubeconfig of real clusters must neither be overwritten nor removed at the end. */
async function refuseForeign(file: string): Promise<void> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw new UsageError(`--kubeconfig ${file}: ${error.message}`);
  });
  if (text.trim() === '' || text.includes(`current-context: ${sandboxContext}`)) return;
  throw new UsageError(
    `--kubeconfig ${file}: is there already and not from a sandbox; it would be overwritten, so name a new file`,
  );
}
