import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** How a kubectl ended. */
export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** A real kubectl with a kubeconfig of its own. */
export interface Kubectl {
  /** Runs it with these arguments, and a manifest on its standard input when there is one. */
  (args: string, manifest?: object): Promise<Outcome>;
  /** Removes the kubeconfig. */
  remove(): void;
}

/** Whether there is a kubectl on this machine. */
export const hasKubectl = (): boolean => spawnSync('kubectl', ['version', '--client']).status === 0;

/** A kubectl for a sandbox's API server. */
export function kubectlFor(server: string): Kubectl {
  const folder = mkdtempSync(join(tmpdir(), 'squall-kubectl-'));
  const clusters = [{ name: 's', cluster: { server, 'insecure-skip-tls-verify': true } }];
  const contexts = [{ name: 's', context: { cluster: 's', user: 's' } }];
  const users = [{ name: 's', user: {} }];
  const config = { apiVersion: 'v1', kind: 'Config', clusters, contexts, users, 'current-context': 's' };
  writeFileSync(join(folder, 'config'), JSON.stringify(config));
  const env = { ...process.env, KUBECONFIG: join(folder, 'config'), HOME: folder };
  const run = (args: string, manifest?: object) =>
    new Promise<Outcome>((resolve) => {
      const child = execFile('kubectl', args.split(' '), { env, timeout: 25_000 }, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr });
      });
      child.stdin!.end(manifest === undefined ? '' : JSON.stringify(manifest));
    });
  return Object.assign(run, { remove: () => rmSync(folder, { recursive: true, force: true }) });
}
