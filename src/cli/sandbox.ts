import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onInterrupt } from './interrupt.js';
import { exitCodes, type Io } from './io.js';
import { startLocalCluster } from './local-cluster.js';

/** The options of `squall sandbox`. `kubeconfig` is where the cluster's kubeconfig is written. */
export interface SandboxOptions {
  nodes: number;
  port?: number;
  kubeconfig?: string;
  controller?: boolean;
  systemNamespace?: string;
}

/** `squall sandbox`: an embedded cluster until SIGINT or SIGTERM. */
export async function sandboxCommand(options: SandboxOptions, io: Io): Promise<number> {
  const interrupted = new AbortController();
  onInterrupt(() => interrupted.abort());
  const { nodes, port, controller = false, systemNamespace } = options;
  const local = await startLocalCluster({
    nodes,
    controller,
    signal: interrupted.signal,
    ...(port !== undefined && { port }),
    ...(systemNamespace && { systemNamespace }),
  });
  const written = await writeKubeconfig(local.cluster.kubeconfig, options.kubeconfig);
  try {
    io.stdout.write(`ready\n${instructions(written.file, local.cluster.url, nodes, controller)}`);
    if (!interrupted.signal.aborted)
      await new Promise((resolve) => interrupted.signal.addEventListener('abort', resolve));
    io.stderr.write('stopping\n');
  } finally {
    await local.stop();
    await written.remove();
  }
  return exitCodes.Passed;
}

/** How to use a sandbox from another terminal. */
export function instructions(file: string, url: string, nodes: number, controller: boolean): string {
  const lines = [
    `An embedded Kubernetes cluster with ${nodes} nodes is at ${url}. In another terminal:`,
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

/** Writes the kubeconfig where it was asked for, or into a folder of its own; either is removed at the end. */
export async function writeKubeconfig(
  text: string,
  wanted: string | undefined,
): Promise<{ file: string; remove(): Promise<void> }> {
  if (wanted !== undefined) {
    await writeFile(wanted, text, { mode: 0o600 });
    return { file: wanted, remove: () => rm(wanted, { force: true }) };
  }
  const folder = await mkdtemp(join(tmpdir(), 'squall-sandbox-'));
  const file = join(folder, 'kubeconfig');
  await writeFile(file, text, { mode: 0o600 });
  return { file, remove: () => rm(folder, { recursive: true, force: true }) };
}
