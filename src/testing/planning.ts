import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Plan } from '../cli/plan/plan.js';
import type { Json } from '../kubernetes/resource.js';
import { runMain, type Written } from './command-line.js';
import { startTestCluster, type TestCluster } from './controllers.js';
import { createAccount } from './identities.js';

/** A simulated cluster without a controller, four pods of `web` in the namespace `shop`, and commands that plan for it. */
export class Planning {
  readonly folder = mkdtempSync(join(tmpdir(), 'squall-plan-'));
  readonly kubeconfig: string;

  constructor(readonly cluster: TestCluster) {
    this.kubeconfig = this.file('kubeconfig', cluster.cluster.kubeconfig);
  }

  /** Writes a file and returns its path. */
  file(name: string, text: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, text);
    return path;
  }

  /** Writes manifests into a file that is named after the first, and returns its path. */
  write(...objects: Json[]): string {
    return this.file(`${objects[0].metadata.name}.yaml`, objects.map((object) => stringify(object)).join('---\n'));
  }

  /** `squall plan` for the live cluster. */
  live(...args: string[]): Promise<Written> {
    return runMain('plan', ...args, '--kubeconfig', this.kubeconfig);
  }

  /** The first of the plans for the live cluster, as data. */
  async planOf(...args: string[]): Promise<Plan> {
    const [plan] = JSON.parse((await this.live(...args, '-o', 'json')).stdout) as Plan[];
    return plan as Plan;
  }

  /** `squall snapshot`, and the file it was written to. */
  async snapshot(...args: string[]): Promise<Written & { file: string }> {
    const written = await runMain('snapshot', ...args, '--kubeconfig', this.kubeconfig);
    return { ...written, file: this.file('cluster.yaml', written.stdout) };
  }

  async stop(): Promise<void> {
    await this.cluster.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Starts a cluster of three nodes to plan for. */
export async function startPlanning(): Promise<Planning> {
  const cluster = await startTestCluster(new URL('file:///no-probes'), { nodes: 3, rights: 'None' });
  const planning = new Planning(cluster);
  await cluster.createNamespace('shop');
  createAccount(cluster.cluster.store, 'shop', 'chaos');
  const main = {
    name: 'main',
    image: 'registry.example.com/web',
    command: ['serve', '--password=in-a-command'],
    env: [{ name: 'TOKEN', value: 'in-the-environment' }],
  };
  await cluster.deploy('web', 4, { namespace: 'shop', labels: { tier: 'front' }, pod: { containers: [main] } });
  return planning;
}

/** A step that kills one pod of `web`. */
export function killWeb(more: Json = {}): Json {
  const targets = { pods: { selector: { matchLabels: { app: 'web' } }, minAge: '0s' } };
  return { name: 'kill', podKill: { gracePeriod: '0s' }, targets, ...more };
}

/** An experiment in `shop` that kills one pod of `web`, unless its method says otherwise. */
export function anExperiment(name: string, method: Json[] = [killWeb()], more: Json = {}): Json {
  return {
    apiVersion: 'squall.dev/v1alpha1',
    kind: 'Experiment',
    metadata: { name, namespace: 'shop' },
    spec: { serviceAccountName: 'chaos', method, ...more },
  };
}
